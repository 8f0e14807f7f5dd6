import { createHmac } from "node:crypto";

import { Arthomed, content, type Fetch, memoryStore, type Tokens, type TokenStore } from "../src/index.js";

export const API = process.env["ARTHOMED_URL"] ?? "http://127.0.0.1:5000";
const ACCESS_SECRET = "only-for-development-and-test-access";

export interface Person {
  clinic: Arthomed;
  mobile: string;
  store: TokenStore;
  /** Times that the API ended the session. */
  ends: number;
}

/** The network on the way to the API: counts what is sent, and may lose answers, or give one of its own. */
export class Wire {
  readonly sent: string[] = [];
  readonly #toLose = new Map<string, number>();
  readonly #instead = new Map<string, Response>();

  loseAnswers(path: string, times: number): void {
    this.#toLose.set(path, times);
  }

  answerOnce(path: string, answer: Response): void {
    this.#instead.set(path, answer);
  }

  count(path: string): number {
    return this.sent.filter((one) => one === path).length;
  }

  readonly fetch: Fetch = async (request) => {
    const path = new URL(request.url).pathname;
    this.sent.push(path);
    const instead = this.#instead.get(path);
    if (instead && this.#instead.delete(path)) return instead;
    const answer = await globalThis.fetch(request);
    const left = this.#toLose.get(path) ?? 0;
    if (left === 0) return answer;
    this.#toLose.set(path, left - 1);
    await answer.arrayBuffer();
    throw new TypeError("fetch failed");
  };
}

/** A new patient, signed in with a code from the mailbox of development. */
export async function patient(wire = new Wire()): Promise<Person> {
  const store = memoryStore();
  const person: Person = { clinic: undefined as unknown as Arthomed, mobile: newNumber(), store, ends: 0 };
  person.clinic = new Arthomed({ baseUrl: API, store, fetch: wire.fetch, onSignedOut: () => person.ends++ });
  await person.clinic.sendCode(person.mobile);
  await person.clinic.signIn({ mobileNumber: person.mobile, otp: await codeSentTo(person.mobile) });
  return person;
}

/** The newest code in the mailbox of a number. */
export async function codeSentTo(mobile: string): Promise<string> {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    const mailbox = await fetch(`${API}/dev/mailbox.json?to=${mobile}`);
    const { items } = (await mailbox.json()) as { items: { kind: string; text: string }[] };
    const caught = items.find((one) => one.kind === "code");
    if (caught) return caught.text.slice(0, 6);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("no code came");
}

export function newNumber(): string {
  return `7${Math.floor(Math.random() * 1e9).toString().padStart(9, "0")}`;
}

/** Let the access token be one that expired, as after an hour. */
export async function expireAccess(store: TokenStore): Promise<void> {
  const tokens = (await store.load()) as Tokens;
  const [header, payload] = tokens.accessToken.split(".") as [string, string];
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
  const past = { ...claims, iat: 1, nbf: 1, exp: 2 };
  const unsigned = `${header}.${Buffer.from(JSON.stringify(past)).toString("base64url")}`;
  const signature = createHmac("sha256", ACCESS_SECRET).update(unsigned).digest("base64url");
  await store.save({ ...tokens, accessToken: `${unsigned}.${signature}` });
}

/** A wish for a free time of some doctor. */
export async function freeTime(clinic: Arthomed) {
  const { items } = await content(clinic.api.GET("/api/users/doctors", { params: { query: { limit: 100 } } }));
  for (const doctor of items) {
    for (let ahead = 20; ahead < 30; ahead++) {
      const date = new Date(Date.now() + ahead * 86_400_000).toISOString().slice(0, 10);
      const query = { doctorId: doctor._id, date };
      const { availableSlots } = await content(clinic.api.GET("/api/appointments/slots", { params: { query } }));
      const slot = availableSlots.at(-1);
      const wish = { doctorId: doctor._id, appointmentDate: date, reason: "Fever" };
      if (slot) return { ...wish, appointmentTime: slot.startTime };
    }
  }
  throw new Error("no free time");
}
