import { ArthomedError, contentOf, refusalIn } from "./errors.js";
import { persistently } from "./retry.js";
import type { components } from "./schema.js";

export type Tokens = components["schemas"]["TokensOut"];
export type Fetch = (request: Request) => Promise<Response>;

/** Where an app keeps its tokens: the keychain of a phone, never a place that other apps or pages can read. */
export interface TokenStore {
  load(): Promise<Tokens | null>;
  save(tokens: Tokens | null): Promise<void>;
}

export function memoryStore(tokens: Tokens | null = null): TokenStore {
  let kept = tokens;
  return {
    load: () => Promise.resolve(kept),
    save: (next) => {
      kept = next;
      return Promise.resolve();
    },
  };
}

/** Signs requests with the access token, and renews that when the API says that it is of no use any more. */
export class Session {
  #renewing: Promise<Tokens | null> | null = null;

  constructor(
    private readonly baseUrl: string,
    private readonly store: TokenStore,
    private readonly fetch: Fetch,
    private readonly onSignedOut: () => void,
  ) {}

  /** Send a request as the signed-in person; with a new access token once more when the old one is refused. */
  readonly send: Fetch = async (request) => {
    const tokens = await this.store.load();
    if (tokens === null) return this.fetch(request.clone());
    const answer = await this.fetch(signed(request, tokens));
    if (!(await isStale(answer))) return answer;
    const renewed = await this.#renewedAfter(tokens);
    return renewed === null ? answer : this.fetch(signed(request, renewed));
  };

  /** Those that came in the place of refused ones: already there, on their way for another request, or asked for now. */
  async #renewedAfter(refused: Tokens): Promise<Tokens | null> {
    const current = await this.store.load();
    if (current?.accessToken !== refused.accessToken) return current;
    this.#renewing ??= this.#renew(refused).finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /**
   * A refresh token whose answer got lost is good for another 30 seconds and gives the same successor again. So it is
   * kept until its successor is stored, and only the API's own refusal signs out.
   */
  async #renew(spent: Tokens): Promise<Tokens | null> {
    const renewed = await this.#successorOf(spent);
    const current = await this.store.load();
    if (current?.refreshToken !== spent.refreshToken) return current; // signed out, or in anew, meanwhile
    await this.store.save(renewed);
    if (renewed === null) this.onSignedOut();
    return renewed;
  }

  async #successorOf(spent: Tokens): Promise<Tokens | null> {
    const answer = await persistently(() => this.fetch(this.#refreshRequest(spent)));
    try {
      return (await contentOf(answer)) as Tokens;
    } catch (error) {
      if (error instanceof ArthomedError && error.status === 401 && error.code !== "UNREADABLE") return null;
      throw error;
    }
  }

  #refreshRequest({ refreshToken }: Tokens): Request {
    return new Request(`${this.baseUrl}/api/auth/refresh-token`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ refreshToken }),
    });
  }
}

function signed(request: Request, { accessToken }: Tokens): Request {
  const copy = request.clone();
  copy.headers.set("Authorization", `Bearer ${accessToken}`);
  return copy;
}

async function isStale(answer: Response): Promise<boolean> {
  if (answer.status !== 401) return false;
  const { code } = await refusalIn(answer.clone());
  return code === "TOKEN_EXPIRED" || code === "INVALID_TOKEN";
}
