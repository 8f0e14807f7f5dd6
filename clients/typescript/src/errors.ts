import type { components } from "./schema.js";

type Refusal = components["schemas"]["ErrorOut"];

/** The codes of this version of the API; a later one may send others, so keep a default branch. */
export type ErrorCode = components["schemas"]["ErrorBodyOut"]["code"];
export type FieldError = components["schemas"]["FieldErrorOut"];
export type Alternative = components["schemas"]["AlternativeOut"];

/** An answer that refuses; ask `code`, never the words. A network that fails throws fetch's own TypeError instead. */
export class ArthomedError extends Error {
  override readonly name = "ArthomedError";

  constructor(
    message: string,
    /** `UNREADABLE` when the answer is not the API's, as from a proxy on the way. */
    readonly code: ErrorCode | "UNREADABLE",
    readonly status: number,
    /** For the logs and for whoever is asked for help. */
    readonly requestId: string | null,
    /** Seconds to wait before another try, where the server says so. */
    readonly retryAfter: number | null,
    /** With VALIDATION_ERROR: what is wrong with which field. */
    readonly fields: readonly FieldError[],
    /** With SLOT_UNAVAILABLE: the nearest free times of that doctor. */
    readonly alternatives: readonly Alternative[],
  ) {
    super(message);
  }

  static of(answer: Response, body: unknown): ArthomedError {
    const told = isRefusal(body) ? body : null;
    const wait = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
    return new ArthomedError(
      told?.message ?? `The answer can't be read (${answer.status})`,
      told?.error.code ?? "UNREADABLE",
      answer.status,
      answer.headers.get("X-Request-ID"),
      Number.isNaN(wait) ? null : wait,
      told?.errors ?? [],
      told?.error.alternatives ?? [],
    );
  }
}

/** Whether something that was caught is a refusal with this code. */
export function isRefused(error: unknown, code: ErrorCode): error is ArthomedError {
  return error instanceof ArthomedError && error.code === code;
}

function isRefusal(body: unknown): body is Refusal {
  return isEnvelope(body, false) && "error" in body;
}

/** What is in an answer's envelope; throws an ArthomedError when it is a refusal, or not the API's. */
export async function contentOf(answer: Response): Promise<unknown> {
  const body = await bodyOf(answer);
  if (isEnvelope(body, true) && "data" in body) return body.data;
  throw ArthomedError.of(answer, body);
}

export async function refusalIn(answer: Response): Promise<ArthomedError> {
  return ArthomedError.of(answer, await bodyOf(answer));
}

async function bodyOf(answer: Response): Promise<unknown> {
  const text = await answer.text(); // a connection that breaks here is the network's failure
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isEnvelope(body: unknown, success: boolean): body is object {
  return typeof body === "object" && body !== null && "success" in body && body.success === success;
}
