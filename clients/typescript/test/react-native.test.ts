import { nativeFetch } from "./react-native.js";

import assert from "node:assert/strict";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { content, type NativeFile } from "../src/index.js";
import { freeSlot, Network, PIXEL, signInPatient } from "./clinic.js";

const BOOK = "/api/appointments/book";

async function photo(name: string): Promise<NativeFile> {
  const path = join(await mkdtemp(join(tmpdir(), "arthomed-")), name);
  await writeFile(path, PIXEL);
  return { uri: pathToFileURL(path).href, name, type: "image/png" };
}

test("a booking without crypto is retried with one key, and creates one appointment", async () => {
  assert.equal(globalThis.crypto, undefined);
  const network = new Network(nativeFetch);
  const { clinic } = await signInPatient(network);
  network.loseResponses(BOOK, 2);

  const appointment = await clinic.book(await freeSlot(clinic));

  const mine = await content(clinic.api.GET("/api/appointments/my-appointments"));
  assert.deepEqual(mine.items.map(({ _id }) => _id), [appointment._id]);
});

test("a booking uploads React Native's file objects, also when it is retried", async () => {
  const network = new Network(nativeFetch);
  const { clinic } = await signInPatient(network);
  network.loseResponses(BOOK, 1);

  const booking = { ...(await freeSlot(clinic)), symptoms: undefined };
  const { images, symptoms } = await clinic.book(booking, { images: [await photo("rash.png"), await photo("arm.png")] });

  assert.deepEqual(images.map(({ originalName }) => originalName), ["rash.png", "arm.png"]);
  assert.equal(symptoms, null);
});

test("files are added to an appointment, and the profile gets a picture", async () => {
  const { clinic } = await signInPatient(new Network(nativeFetch));
  const { _id: appointmentId } = await clinic.book(await freeSlot(clinic));

  const [report] = await clinic.uploadFiles({ appointmentId, category: "reports", files: [await photo("report.png")] });
  const picture = await clinic.uploadPicture(await photo("me.png"));

  assert.equal(report?.originalName, "report.png");
  assert.equal(picture.originalName, "me.png");
});
