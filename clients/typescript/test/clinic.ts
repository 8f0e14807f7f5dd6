import { createHmac } from "node:crypto";

import { Arthomed, content, type Fetch, memoryStore, type Tokens, type TokenStore } from "../src/index.js";

export const API = process.env["ARTHOMED_URL"] ?? "http://127.0.0.1:5000";
/** A PNG of one pixel. */
export const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);
const ACCESS_SECRET = "only-for-development-and-test-access";

export interface Person {
  clinic: Arthomed;
  mobile: string;
  store: TokenStore;
  /** Calls of `onSignedOut`. */
  signedOut: number;
}

/** A network that counts requests, and can lose responses or replace one. */
export class Network {
  readonly sent: string[] = [];
  readonly #losses = new Map<string, number>();
  readonly #replacements = new Map<string, Response>();
  readonly #observers = new Map<string, (request: Request) => void>();
  readonly #send: Fetch;

  constructor(send: Fetch = (request) => globalThis.fetch(request)) {
    this.#send = send;
  }

  loseResponses(path: string, times: number): void {
    this.#losses.set(path, times);
  }

  replaceResponse(path: string, response: Response): void {
    this.#replacements.set(path, response);
  }

  /** Call a function with each request to a path. */
  observe(path: string, observer: (request: Request) => void): void {
    this.#observers.set(path, observer);
  }

  count(path: string): number {
    return this.sent.filter((sent) => sent === path).length;
  }

  readonly fetch: Fetch = async (request) => {
    const path = new URL(request.url).pathname;
    this.sent.push(path);
    this.#observers.get(path)?.(request);
    const replacement = this.#replacements.get(path);
    if (replacement && this.#replacements.delete(path)) return replacement;
    const response = await this.#send(request);
    const left = this.#losses.get(path) ?? 0;
    if (left === 0) return response;
    this.#losses.set(path, left - 1);
    await response.text();
    throw new TypeError("fetch failed");
  };
}

/** Sign a new patient in, with a code from the development mailbox. */
export async function signInPatient(network = new Network()): Promise<Person> {
  const store = memoryStore();
  const person: Person = { clinic: undefined as unknown as Arthomed, mobile: newNumber(), store, signedOut: 0 };
  person.clinic = new Arthomed({ baseUrl: API, store, fetch: network.fetch, onSignedOut: () => person.signedOut++ });
  await person.clinic.sendCode(person.mobile);
  await person.clinic.signIn({ mobileNumber: person.mobile, otp: await codeSentTo(person.mobile) });
  return person;
}

/** Wait for a code in the mailbox of a number. */
export async function codeSentTo(mobile: string): Promise<string> {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    const mailbox = await fetch(`${API}/dev/mailbox.json?to=${mobile}`);
    const { items } = (await mailbox.json()) as { items: { kind: string; text: string }[] };
    const message = items.find(({ kind }) => kind === "code");
    if (message) return message.text.slice(0, 6);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the mailbox has no code");
}

export function newNumber(): string {
  return `7${Math.floor(Math.random() * 1e9).toString().padStart(9, "0")}`;
}

/** Replace the access token by one that has expired. */
export async function expireAccess(store: TokenStore): Promise<void> {
  const tokens = (await store.load()) as Tokens;
  const [header, payload] = tokens.accessToken.split(".") as [string, string];
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
  const past = { ...claims, iat: 1, nbf: 1, exp: 2 };
  const unsigned = `${header}.${Buffer.from(JSON.stringify(past)).toString("base64url")}`;
  const signature = createHmac("sha256", ACCESS_SECRET).update(unsigned).digest("base64url");
  await store.save({ ...tokens, accessToken: `${unsigned}.${signature}` });
}

/** Find a free slot; returns the booking for it. */
export async function freeSlot(clinic: Arthomed) {
  const { items } = await content(clinic.api.GET("/api/users/doctors", { params: { query: { limit: 100 } } }));
  for (const doctor of items) {
    for (let ahead = 20; ahead < 30; ahead++) {
      const date = new Date(Date.now() + ahead * 86_400_000).toISOString().slice(0, 10);
      const query = { doctorId: doctor._id, date };
      const { availableSlots } = await content(clinic.api.GET("/api/appointments/slots", { params: { query } }));
      const slot = availableSlots.at(-1);
      const booking = { doctorId: doctor._id, appointmentDate: date, reason: "Fever" };
      if (slot) return { ...booking, appointmentTime: slot.startTime };
    }
  }
  throw new Error("no doctor has a free slot");
}

/** Run with another value of a global name. */
export async function withGlobal(name: string, value: unknown, run: () => Promise<void>): Promise<void> {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { value, configurable: true });
  try {
    await run();
  } finally {
    if (before) Object.defineProperty(globalThis, name, before);
  }
}
