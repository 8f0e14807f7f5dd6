/** React Native's globals: the fetch polyfill that it ships, its form, and no `crypto`. Import this before the client. */

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as polyfill from "whatwg-fetch";

const { FormData: WebForm, fetch: webFetch } = globalThis;

/** As in React Native, values are kept as they are. */
class NativeForm {
  readonly parts: [string, unknown][] = [];

  append(name: string, value: unknown): void {
    this.parts.push([name, value]);
  }

  getParts(): [string, unknown][] {
    return this.parts;
  }
}

const { Headers, Request, Response } = polyfill;
for (const [name, value] of Object.entries({ FormData: NativeForm, Headers, Request, Response, crypto: undefined })) {
  Object.defineProperty(globalThis, name, { value, configurable: true });
}

/** What React Native's network module does: read the files of a form, and send it. */
export async function nativeFetch(request: globalThis.Request): Promise<globalThis.Response> {
  const { _bodyInit: body } = request as unknown as { _bodyInit?: BodyInit | NativeForm };
  const response = await webFetch(request.url, {
    method: request.method,
    headers: [...request.headers.entries()],
    body: body instanceof NativeForm ? await toWebForm(body) : (body ?? null),
  });
  return new Response(await response.text(), { status: response.status, headers: [...response.headers] });
}

async function toWebForm({ parts }: NativeForm): Promise<FormData> {
  const form = new WebForm();
  for (const [name, value] of parts) {
    if (typeof value === "string") form.append(name, value);
    else form.append(name, await readNativeFile(value as { uri: string; name: string; type: string }));
  }
  return form;
}

async function readNativeFile({ uri, name, type }: { uri: string; name: string; type: string }): Promise<File> {
  return new File([await readFile(fileURLToPath(uri))], name, { type });
}
