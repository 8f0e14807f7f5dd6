import createClient, { type Client } from "openapi-fetch";

import { ArthomedError } from "./errors.js";
import { encodeBody, toForm, type Upload } from "./form.js";
import { newKey } from "./key.js";
import { withRetries } from "./retry.js";
import type { components, paths } from "./schema.js";
import { type Fetch, memoryStore, Session, type TokenStore } from "./session.js";

export { type Alternative, ArthomedError, type ErrorCode, type FieldError, isRefused } from "./errors.js";
export { type NativeFile, toForm, type Upload } from "./form.js";
export type { components, paths } from "./schema.js";
export { type Fetch, memoryStore, type Tokens, type TokenStore } from "./session.js";

type Schemas = components["schemas"];
type Page<T> = { items: T[]; pagination: Schemas["PaginationOut"] };

type FilesOfAppointment = Omit<Schemas["UploadToAppointmentWithFiles"], "files"> & { files: readonly Upload[] };

export interface Options {
  /** The address of the server, without `/api`. */
  baseUrl: string;
  store?: TokenStore;
  /** Called when the API ends the session; not after `signOut`. */
  onSignedOut?: () => void;
  fetch?: Fetch;
}

/**
 * A client of the API for one user. `api` has every route with its types, adds the access token and refreshes it. The
 * methods cover what needs more than one call, or files.
 */
export class Arthomed {
  readonly api: Client<paths>;
  readonly #store: TokenStore;
  readonly #session: Session;

  constructor({ baseUrl, store = memoryStore(), onSignedOut = () => undefined, fetch = (one) => globalThis.fetch(one) }: Options) {
    const origin = baseUrl.replace(/\/+$/, "");
    this.#store = store;
    this.#session = new Session(origin, store, fetch, onSignedOut);
    this.api = createClient<paths>({ baseUrl: origin, bodySerializer: encodeBody, fetch: this.#session.send });
  }

  /** Request a code by SMS. */
  sendCode(mobileNumber: string): Promise<Schemas["CodeSentOut"]> {
    return content(this.api.POST("/api/auth/send-otp", { body: { mobileNumber } }));
  }

  /** Sign in with a code, and store the tokens. */
  async signIn(credentials: Schemas["VerifyCode"]): Promise<Schemas["SignedInOut"]> {
    const signedIn = await content(this.api.POST("/api/auth/verify-otp", { body: credentials }));
    await this.#store.save(signedIn.tokens);
    return signedIn;
  }

  /** End the session, and remove the tokens even if the network fails. */
  async signOut(): Promise<void> {
    try {
      await content(this.api.POST("/api/auth/logout"));
    } finally {
      await this.#store.save(null);
    }
  }

  /**
   * Book an appointment. Retries with one idempotency key, so that it is booked once. If the app may be closed meanwhile,
   * store `key` before the call, and repeat the call with the same arguments and key.
   */
  async book(
    booking: Schemas["BookAppointment"],
    { key = newKey(), images = [] }: { key?: string | undefined; images?: readonly Upload[] | undefined } = {},
  ): Promise<Schemas["AppointmentOut"]> {
    const body = images.length > 0 ? await asBody({ ...booking, images }) : booking;
    const call = this.api.POST("/api/appointments/book", {
      params: { header: { "Idempotency-Key": key } },
      body,
      fetch: (request) => withRetries(() => this.#session.send(request)),
    });
    return (await content(call)).appointment;
  }

  /** Add files to an appointment; of one that is refused, `ArthomedError` says why. */
  async uploadFiles(upload: FilesOfAppointment): Promise<Schemas["FileOut"][]> {
    const call = this.api.POST("/api/files/upload/appointments", { body: await asBody(upload) });
    return (await content(call)).uploadedFiles;
  }

  /** Replace the picture of the user's profile. */
  async uploadPicture(picture: Upload): Promise<Schemas["FileOut"]> {
    const call = this.api.POST("/api/files/upload/profiles", { body: await asBody({ files: [picture] }) });
    const [uploaded] = (await content(call)).uploadedFiles;
    if (uploaded === undefined) throw new TypeError("The response names no file");
    return uploaded;
  }
}

/** The `data` of a response; throws an ArthomedError for an error response. */
export async function content<T>(
  call: Promise<{ data?: { data: T }; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await call;
  if (data?.data === undefined) throw ArthomedError.of(response, error);
  return data.data;
}

/** Iterate over all items of a list, and fetch its pages one by one: `everyItem((page) => content(api.GET(...)))`. */
export async function* everyItem<T>(fetchPage: (page: number) => Promise<Page<T>>): AsyncGenerator<T, void> {
  for (let page = 1; ; page++) {
    const { items, pagination } = await fetchPage(page);
    yield* items;
    if (!pagination.hasNext) return;
  }
}

/** A form as the body of a route; the generated types have texts in place of files. */
async function asBody(fields: object): Promise<never> {
  return (await toForm(fields)) as never;
}
