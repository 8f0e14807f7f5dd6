const MAX_ATTEMPTS = 3;
const FIRST_DELAY_MS = 300;

function isUnavailable(response: Response): boolean {
  return response.status === 502 || response.status === 503 || response.status === 504;
}

/** Retry an idempotent request with exponential backoff if the network fails or the server is unavailable. */
export async function withRetries(send: () => Promise<Response>): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await send();
      if (attempt === MAX_ATTEMPTS || !isUnavailable(response)) return response;
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || isAborted(error)) throw error;
    }
    await sleep(FIRST_DELAY_MS * 2 ** (attempt - 1));
  }
}

function isAborted(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
