import assert from "node:assert/strict";
import { test } from "node:test";

import { ArthomedError, content, everyItem, isRefused } from "../src/index.js";
import { expireAccess, freeTime, patient, Wire } from "./clinic.js";

const REFRESH = "/api/auth/refresh-token";
const BOOK = "/api/appointments/book";
const ME = "/api/auth/me";

test("a person who signed in with a code from the mailbox is known", async () => {
  const { clinic, mobile } = await patient();

  const { user } = await content(clinic.api.GET(ME));

  assert.equal(user.mobileNumber, mobile);
});

test("a refusal is an error with the API's code", async () => {
  const { clinic } = await patient();

  const refused = clinic.signIn({ mobileNumber: "123", otp: "123456" });

  await assert.rejects(refused, (error) => {
    assert.ok(isRefused(error, "VALIDATION_ERROR"));
    assert.deepEqual(error.fields.map(({ field }) => field), ["mobileNumber"]);
    return error.status === 400 && error.requestId !== null;
  });
});

test("a booking sent twice with one key is one visit", async () => {
  const { clinic } = await patient();
  const [wish, key] = [await freeTime(clinic), crypto.randomUUID()];

  const [first, second] = [await clinic.book(wish, { key }), await clinic.book(wish, { key })];

  assert.equal(second._id, first._id);
});

test("a booking whose answers got lost is made once, without the app's doing", async () => {
  const wire = new Wire();
  const { clinic } = await patient(wire);
  const wish = await freeTime(clinic);
  wire.loseAnswers(BOOK, 2);

  const visit = await clinic.book(wish);

  const mine = await content(clinic.api.GET("/api/appointments/my-appointments"));
  assert.deepEqual(mine.items.map(({ _id }) => _id), [visit._id]);
  assert.equal(wire.count(BOOK), 3);
});

test("a booking brings its images", async () => {
  const { clinic } = await patient();
  const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
  const image = new File([Buffer.from(pixel, "base64")], "rash.png", { type: "image/png" });

  const { images } = await clinic.book(await freeTime(clinic), { images: [image] });

  assert.deepEqual(images.map(({ originalName }) => originalName), ["rash.png"]);
});

test("a taken time is refused with other free ones", async () => {
  const [{ clinic: first }, { clinic: second }] = [await patient(), await patient()];
  const wish = await freeTime(first);
  await first.book(wish);

  await assert.rejects(second.book(wish), (error) => {
    assert.ok(isRefused(error, "SLOT_UNAVAILABLE"));
    assert.equal(error.alternatives[0]?.doctorId, wish.doctorId);
    return true;
  });
});

test("requests whose token expired at once are answered after one refresh", async () => {
  const wire = new Wire();
  const { clinic, store } = await patient(wire);
  await expireAccess(store);

  const people = await Promise.all(Array.from({ length: 8 }, () => content(clinic.api.GET(ME))));

  assert.equal(people.length, 8);
  assert.equal(wire.count(REFRESH), 1);
});

test("a token that is not even well signed is refreshed, too", async () => {
  const { clinic, store } = await patient();
  const tokens = await store.load();
  assert.ok(tokens);
  await store.save({ ...tokens, accessToken: "not.a.token" });

  await content(clinic.api.GET(ME));

  assert.notEqual((await store.load())?.refreshToken, tokens.refreshToken);
});

test("a refresh whose answer got lost signs nobody out", async () => {
  const wire = new Wire();
  const person = await patient(wire);
  await expireAccess(person.store);
  wire.loseAnswers(REFRESH, 4);

  await assert.rejects(content(person.clinic.api.GET(ME)), TypeError); // three tries, and the app hears of it
  await content(person.clinic.api.GET(ME)); // the fourth is lost, too

  assert.equal(person.ends, 0);
  assert.equal(wire.count(REFRESH), 5);
});

test("an answer that is not the API's signs nobody out", async () => {
  const wire = new Wire();
  const person = await patient(wire);
  await expireAccess(person.store);
  wire.answerOnce(REFRESH, new Response("<h1>Sign in to this hotel</h1>", { status: 401 }));

  await assert.rejects(content(person.clinic.api.GET(ME)), (error) => (error as ArthomedError).code === "UNREADABLE");
  await content(person.clinic.api.GET(ME));

  assert.equal(person.ends, 0);
});

test("a session that was ended elsewhere is told of once, and its tokens are gone", async () => {
  const person = await patient();
  await content(person.clinic.api.POST("/api/auth/logout-all"));
  await expireAccess(person.store);

  const asked = Array.from({ length: 3 }, () => content(person.clinic.api.GET(ME)));

  for (const one of await Promise.allSettled(asked)) assert.equal(one.status, "rejected");
  assert.equal(await person.store.load(), null);
  assert.equal(person.ends, 1);
});

test("who signs out while tokens are renewed stays signed out", async () => {
  const wire = new Wire();
  const person = await patient(wire);
  await expireAccess(person.store);

  const asked = content(person.clinic.api.GET(ME));
  while (wire.count(REFRESH) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await person.store.save(null);

  await assert.rejects(asked, (error) => isRefused(error, "TOKEN_EXPIRED"));
  assert.equal(await person.store.load(), null);
});

test("after signing out the API knows nobody", async () => {
  const { clinic } = await patient();

  await clinic.signOut();

  await assert.rejects(content(clinic.api.GET(ME)), (error) => isRefused(error, "NO_TOKEN"));
});

test("every item of a list comes, page by page", async () => {
  const { clinic } = await patient();
  const doctors = everyItem((page) =>
    content(clinic.api.GET("/api/users/doctors", { params: { query: { page, limit: 2 } } })),
  );

  const found = new Set<string>();
  for await (const doctor of doctors) found.add(doctor._id);

  assert.ok(found.size >= 5);
});
