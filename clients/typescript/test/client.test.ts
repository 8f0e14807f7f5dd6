import assert from "node:assert/strict";
import { test } from "node:test";

import { ArthomedError, content, everyItem, isRefused } from "../src/index.js";
import { expireAccess, freeSlot, Network, signInPatient } from "./clinic.js";

const REFRESH = "/api/auth/refresh-token";
const BOOK = "/api/appointments/book";
const ME = "/api/auth/me";

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

test("a booking uploads its images", async () => {
  const { clinic } = await signInPatient();
  const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
  const image = new File([Buffer.from(pixel, "base64")], "rash.png", { type: "image/png" });

  const { images } = await clinic.book(await freeSlot(clinic), { images: [image] });

  assert.deepEqual(images.map(({ originalName }) => originalName), ["rash.png"]);
});

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
