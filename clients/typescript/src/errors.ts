import type { components } from "./schema.js";

type ErrorBody = components["schemas"]["ErrorOut"];

/** The codes of this version of the API. Later versions may add codes, so keep a default branch. */
export type ErrorCode = components["schemas"]["ErrorBodyOut"]["code"];
export type FieldError = components["schemas"]["FieldErrorOut"];
export type Alternative = components["schemas"]["AlternativeOut"];

/** An error response. Decide by `code`, never by the message. A network failure throws fetch's TypeError instead. */
export class ArthomedError extends Error {
  override readonly name = "ArthomedError";

  constructor(
    message: string,
    /** `UNREADABLE` if the response is not from the API, for example from a proxy. */
    readonly code: ErrorCode | "UNREADABLE",
    readonly status: number,
    /** For logs and support requests. */
    readonly requestId: string | null,
    /** Seconds to wait before the next try, if the server sends them. */
    readonly retryAfter: number | null,
    /** With VALIDATION_ERROR: the invalid fields. */
    readonly fields: readonly FieldError[],
    /** With SLOT_UNAVAILABLE: the nearest free slots of that doctor. */
    readonly alternatives: readonly Alternative[],
  ) {
    super(message);
  }

  static of(response: Response, body: unknown): ArthomedError {
    const error = isErrorBody(body) ? body : null;
    const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
    return new ArthomedError(
      error?.message ?? `The response can't be read (${response.status})`,
      error?.error.code ?? "UNREADABLE",
      response.status,
      response.headers.get("X-Request-ID"),
      Number.isNaN(seconds) ? null : seconds,
      error?.errors ?? [],
      error?.error.alternatives ?? [],
    );
  }
}

/** Whether a caught error is an error response with this code. */
export function isRefused(error: unknown, code: ErrorCode): error is ArthomedError {
  return error instanceof ArthomedError && error.code === code;
}

function isErrorBody(body: unknown): body is ErrorBody {
  return isEnvelope(body, false) && "error" in body;
}

/** Read the `data` of a response; throws an ArthomedError for an error response, or one that is not from the API. */
export async function readData(response: Response): Promise<unknown> {
  const body = await readBody(response);
  if (isEnvelope(body, true) && "data" in body) return body.data;
  throw ArthomedError.of(response, body);
}

export async function readError(response: Response): Promise<ArthomedError> {
  return ArthomedError.of(response, await readBody(response));
}

async function readBody(response: Response): Promise<unknown> {
  const text = await response.text(); // throws if the connection breaks
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isEnvelope(body: unknown, success: boolean): body is object {
  return typeof body === "object" && body !== null && "success" in body && body.success === success;
}
