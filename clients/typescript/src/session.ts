import { ArthomedError, readData, readError } from "./errors.js";
import { withRetries } from "./retry.js";
import type { components } from "./schema.js";

export type Tokens = components["schemas"]["TokensOut"];
export type Fetch = (request: Request) => Promise<Response>;

/** Storage for the tokens: the keychain of a phone, never a place that other apps or pages can read. */
export interface TokenStore {
  load(): Promise<Tokens | null>;
  save(tokens: Tokens | null): Promise<void>;
}

export function memoryStore(tokens: Tokens | null = null): TokenStore {
  let current = tokens;
  return {
    load: () => Promise.resolve(current),
    save: (next) => {
      current = next;
      return Promise.resolve();
    },
  };
}

/** Adds the access token to requests, and refreshes it when the API rejects it. */
export class Session {
  #refreshing: Promise<Tokens | null> | null = null;

  constructor(
    private readonly baseUrl: string,
    private readonly store: TokenStore,
    private readonly fetch: Fetch,
    private readonly onSignedOut: () => void,
  ) {}

  /** Send a request with the access token; once more with a new one if the API rejects the first. */
  readonly send: Fetch = async (request) => {
    const tokens = await this.store.load();
    if (tokens === null) return this.fetch(request.clone());
    const response = await this.fetch(authorized(request, tokens));
    if (!(await isTokenRejected(response))) return response;
    const refreshed = await this.#refreshOnce(tokens);
    return refreshed === null ? response : this.fetch(authorized(request, refreshed));
  };

  /** Refresh rejected tokens; parallel requests share one refresh. */
  async #refreshOnce(rejected: Tokens): Promise<Tokens | null> {
    const current = await this.store.load();
    if (current?.accessToken !== rejected.accessToken) return current;
    this.#refreshing ??= this.#refresh(rejected).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /**
   * Refresh the tokens, and store the new ones. If the response is lost, the API accepts the same refresh token until one
   * of the new tokens is used. So the old token is kept until the new ones are stored, and only
   * an error response of the API ends the session.
   */
  async #refresh(used: Tokens): Promise<Tokens | null> {
    const refreshed = await this.#requestTokens(used);
    const current = await this.store.load();
    if (current?.refreshToken !== used.refreshToken) return current; // signed out or in again meanwhile
    await this.store.save(refreshed);
    if (refreshed === null) this.onSignedOut();
    return refreshed;
  }

  /** Null if the session has ended. */
  async #requestTokens(used: Tokens): Promise<Tokens | null> {
    const response = await withRetries(() => this.fetch(this.#refreshRequest(used)));
    try {
      return (await readData(response)) as Tokens;
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

function authorized(request: Request, { accessToken }: Tokens): Request {
  const copy = request.clone();
  copy.headers.set("Authorization", `Bearer ${accessToken}`);
  return copy;
}

async function isTokenRejected(response: Response): Promise<boolean> {
  if (response.status !== 401) return false;
  const { code } = await readError(response.clone());
  return code === "TOKEN_EXPIRED" || code === "INVALID_TOKEN";
}
