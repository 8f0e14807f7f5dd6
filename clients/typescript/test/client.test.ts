import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";

import { ArthomedError, content, everyItem, isRefused } from "../src/index.js";
import { expireAccess, freeSlot, Network, newNumber, PIXEL, signInPatient, withGlobal } from "./clinic.js";

const REFRESH = "/api/auth/refresh-token";
const BOOK = "/api/appointments/book";
const ME = "/api/auth/me";
const getRandomValues = (bytes: Uint8Array): Uint8Array => webcrypto.getRandomValues(bytes);

test("a user can sign in with a code", async () => {
  const { clinic, mobile } = await signInPatient();

  const { user } = await content(clinic.api.GET(ME));

  assert.equal(user.mobileNumber, mobile);
});

test("an error response throws an error with the API's code", async () => {
  const { clinic } = await signInPatient();

  const rejected = clinic.signIn({ mobileNumber: "123", otp: "123456" });

  await assert.rejects(rejected, (error) => {
    assert.ok(isRefused(error, "VALIDATION_ERROR"));
    assert.deepEqual(error.fields.map(({ field }) => field), ["mobileNumber"]);
    return error.status === 400 && error.requestId !== null;
  });
});

test("a booking sent twice with one key creates one appointment", async () => {
  const { clinic } = await signInPatient();
  const [booking, key] = [await freeSlot(clinic), crypto.randomUUID()];

  const [first, second] = [await clinic.book(booking, { key }), await clinic.book(booking, { key })];

  assert.equal(second._id, first._id);
});

test("a booking is retried when its response is lost, and creates one appointment", async () => {
  const network = new Network();
  const { clinic } = await signInPatient(network);
  const booking = await freeSlot(clinic);
  network.loseResponses(BOOK, 2);

  const appointment = await clinic.book(booking);

  const mine = await content(clinic.api.GET("/api/appointments/my-appointments"));
  assert.deepEqual(mine.items.map(({ _id }) => _id), [appointment._id]);
  assert.equal(network.count(BOOK), 3);
});

const file = new File([PIXEL], "rash.png", { type: "image/png" });
const uri = `data:image/png;base64,${PIXEL.toString("base64")}`;
for (const [kind, image] of [["a file", file], ["a file object of Expo on the web", { uri, name: "rash.png", type: "image/png" }]] as const) {
  test(`a booking uploads ${kind}, and leaves out undefined fields`, async () => {
    const { clinic } = await signInPatient();

    const booking = { ...(await freeSlot(clinic)), symptoms: undefined, purposeOfVisit: undefined };
    const { images, symptoms, purposeOfVisit } = await clinic.book(booking, { key: undefined, images: [image] });

    assert.deepEqual(images.map(({ originalName }) => originalName), ["rash.png"]);
    assert.deepEqual([symptoms, purposeOfVisit], [null, "consultation"]);
  });
}

test("files are added to an appointment", async () => {
  const { clinic } = await signInPatient();
  const { _id: appointmentId } = await clinic.book(await freeSlot(clinic));

  const files = await clinic.uploadFiles({ appointmentId, category: "prescriptions", files: [file, file] });

  assert.deepEqual(files.map(({ category }) => category), ["prescriptions", "prescriptions"]);
});

test("undefined fields of a JSON body, a form and a query are left out", async () => {
  const { clinic } = await signInPatient();

  const booking = { ...(await freeSlot(clinic)), symptoms: undefined, category: undefined };
  const { symptoms } = await clinic.book(booking, { images: undefined });
  const query = { page: 1, limit: undefined, status: undefined };
  const mine = await content(clinic.api.GET("/api/appointments/my-appointments", { params: { query } }));
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  const sent = clinic.api.POST("/api/auth/send-otp", { body: { mobileNumber: newNumber(), purpose: undefined }, headers });

  assert.deepEqual([symptoms, mine.pagination.limit], [null, 10]);
  assert.equal((await content(sent)).resendAfter, 60);
});

for (const [kind, crypto] of [["randomUUID", { getRandomValues }], ["crypto", undefined]] as const) {
  test(`bookings without ${kind} have a key each`, async () => {
    const network = new Network();
    const { clinic } = await signInPatient(network);
    const keys = new Set<string>();
    network.observe(BOOK, (request) => keys.add(request.headers.get("Idempotency-Key") ?? ""));

    await withGlobal("crypto", crypto, async () => {
      for (const booking of [await freeSlot(clinic), await freeSlot(clinic)]) await clinic.book(booking).catch(() => null);
    });

    assert.equal(keys.size, 2);
    for (const key of keys) assert.match(key, /^[0-9a-f]{32}$/);
  });
}

test("the error for a taken slot names other free slots", async () => {
  const [{ clinic: first }, { clinic: second }] = [await signInPatient(), await signInPatient()];
  const booking = await freeSlot(first);
  await first.book(booking);

  await assert.rejects(second.book(booking), (error) => {
    assert.ok(isRefused(error, "SLOT_UNAVAILABLE"));
    assert.equal(error.alternatives[0]?.doctorId, booking.doctorId);
    return true;
  });
});

test("parallel requests with an expired token share one refresh", async () => {
  const network = new Network();
  const { clinic, store } = await signInPatient(network);
  await expireAccess(store);

  const people = await Promise.all(Array.from({ length: 8 }, () => content(clinic.api.GET(ME))));

  assert.equal(people.length, 8);
  assert.equal(network.count(REFRESH), 1);
});

test("an invalid access token is refreshed", async () => {
  const { clinic, store } = await signInPatient();
  const tokens = await store.load();
  assert.ok(tokens);
  await store.save({ ...tokens, accessToken: "not.a.token" });

  await content(clinic.api.GET(ME));

  assert.notEqual((await store.load())?.refreshToken, tokens.refreshToken);
});

test("a lost refresh response does not end the session", async () => {
  const network = new Network();
  const person = await signInPatient(network);
  await expireAccess(person.store);
  network.loseResponses(REFRESH, 4);

  await assert.rejects(content(person.clinic.api.GET(ME)), TypeError); // all three attempts are lost
  await content(person.clinic.api.GET(ME)); // the first attempt is lost, the second is not

  assert.equal(person.signedOut, 0);
  assert.equal(network.count(REFRESH), 5);
});

test("a 401 that is not from the API does not end the session", async () => {
  const network = new Network();
  const person = await signInPatient(network);
  await expireAccess(person.store);
  network.replaceResponse(REFRESH, new Response("<h1>Sign in to this hotel</h1>", { status: 401 }));

  await assert.rejects(content(person.clinic.api.GET(ME)), (error) => (error as ArthomedError).code === "UNREADABLE");
  await content(person.clinic.api.GET(ME));

  assert.equal(person.signedOut, 0);
});

test("the end of a session calls onSignedOut once and removes the tokens", async () => {
  const person = await signInPatient();
  await content(person.clinic.api.POST("/api/auth/logout-all"));
  await expireAccess(person.store);

  const requests = Array.from({ length: 3 }, () => content(person.clinic.api.GET(ME)));

  for (const result of await Promise.allSettled(requests)) assert.equal(result.status, "rejected");
  assert.equal(await person.store.load(), null);
  assert.equal(person.signedOut, 1);
});

test("signing out during a refresh keeps the user signed out", async () => {
  const network = new Network();
  const person = await signInPatient(network);
  await expireAccess(person.store);

  const request = content(person.clinic.api.GET(ME));
  while (network.count(REFRESH) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await person.store.save(null);

  await assert.rejects(request, (error) => isRefused(error, "TOKEN_EXPIRED"));
  assert.equal(await person.store.load(), null);
});

test("a request after signing out has no token", async () => {
  const { clinic } = await signInPatient();

  await clinic.signOut();

  await assert.rejects(content(clinic.api.GET(ME)), (error) => isRefused(error, "NO_TOKEN"));
});

test("everyItem fetches all pages of a list", async () => {
  const { clinic } = await signInPatient();
  const doctors = everyItem((page) =>
    content(clinic.api.GET("/api/users/doctors", { params: { query: { page, limit: 2 } } })),
  );

  const found = new Set<string>();
  for await (const doctor of doctors) found.add(doctor._id);

  assert.ok(found.size >= 5);
});
