import createClient, { type Client } from "openapi-fetch";

import { ArthomedError } from "./errors.js";
import { persistently } from "./retry.js";
import type { components, paths } from "./schema.js";
import { type Fetch, memoryStore, Session, type TokenStore } from "./session.js";

export { type Alternative, ArthomedError, type ErrorCode, type FieldError, isRefused } from "./errors.js";
export type { components, paths } from "./schema.js";
export { type Fetch, memoryStore, type Tokens, type TokenStore } from "./session.js";

type Schemas = components["schemas"];
type Page<T> = { items: T[]; pagination: Schemas["PaginationOut"] };

export interface Options {
  /** Where the clinic is, without `/api`. */
  baseUrl: string;
  store?: TokenStore;
  /** Called when the API ends the session; not after `signOut`. */
  onSignedOut?: () => void;
  fetch?: Fetch;
}

/**
 * The API as one signed-in person. `api` has every route with its types; its calls are signed, and renew the tokens by
 * themselves. The methods are what needs more than one call to be right.
 */
export class Arthomed {
  readonly api: Client<paths>;
  readonly #store: TokenStore;
  readonly #session: Session;

  constructor({ baseUrl, store = memoryStore(), onSignedOut = () => undefined, fetch = (one) => globalThis.fetch(one) }: Options) {
    const origin = baseUrl.replace(/\/+$/, "");
    this.#store = store;
    this.#session = new Session(origin, store, fetch, onSignedOut);
    this.api = createClient<paths>({ baseUrl: origin, fetch: this.#session.send });
  }

  /** Ask for a code by SMS. */
  sendCode(mobileNumber: string): Promise<Schemas["CodeSentOut"]> {
    return content(this.api.POST("/api/auth/send-otp", { body: { mobileNumber } }));
  }

  /** Sign in with a code; its tokens are stored. */
  async signIn(answer: Schemas["VerifyCode"]): Promise<Schemas["SignedInOut"]> {
    const signedIn = await content(this.api.POST("/api/auth/verify-otp", { body: answer }));
    await this.#store.save(signedIn.tokens);
    return signedIn;
  }

  /** Sign this device out; here even when the network fails. */
  async signOut(): Promise<void> {
    try {
      await content(this.api.POST("/api/auth/logout"));
    } finally {
      await this.#store.save(null);
    }
  }

  /**
   * Book a visit, once, however often it must be sent. Store `key` before the call when the app may be ended in it, and
   * come back with the same wish and key.
   */
  async book(
    wish: Schemas["BookAppointment"],
    { key = crypto.randomUUID(), images = [] }: { key?: string; images?: readonly File[] } = {},
  ): Promise<Schemas["AppointmentOut"]> {
    const call = this.api.POST("/api/appointments/book", {
      params: { header: { "Idempotency-Key": key } },
      body: images.length > 0 ? (withImages(wish, images) as unknown as typeof wish) : wish,
      fetch: (request) => persistently(() => this.#session.send(request)),
    });
    return (await content(call)).appointment;
  }
}

/** The `data` of an answer; throws an ArthomedError when it is a refusal. */
export async function content<T>(
  call: Promise<{ data?: { data: T }; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await call;
  if (data?.data === undefined) throw ArthomedError.of(response, error);
  return data.data;
}

/** Every item of a list, page by page as they are needed: `everyItem((page) => content(api.GET(...)))`. */
export async function* everyItem<T>(ask: (page: number) => Promise<Page<T>>): AsyncGenerator<T, void> {
  for (let page = 1; ; page++) {
    const { items, pagination } = await ask(page);
    yield* items;
    if (!pagination.hasNext) return;
  }
}

function withImages(wish: Schemas["BookAppointment"], images: readonly File[]): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(wish)) form.append(name, String(value));
  for (const image of images) form.append("images", image);
  return form;
}
