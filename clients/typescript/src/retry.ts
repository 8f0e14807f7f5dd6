const TRIES = 3;
const FIRST_PAUSE_MS = 300;

/** Whether the same request may be answered a moment later: the server was away, or something before it. */
export function isAway(answer: Response): boolean {
  return answer.status === 502 || answer.status === 503 || answer.status === 504;
}

/** Send again what can be sent again safely, while the network fails or the server is away. */
export async function persistently(send: () => Promise<Response>): Promise<Response> {
  for (let tried = 1; ; tried++) {
    try {
      const answer = await send();
      if (tried === TRIES || !isAway(answer)) return answer;
    } catch (error) {
      if (tried === TRIES || isAborted(error)) throw error;
    }
    await pause(FIRST_PAUSE_MS * 2 ** (tried - 1));
  }
}

function isAborted(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
