/** A file on a phone, as React Native's FormData takes it. */
export interface NativeFile {
  uri: string;
  name: string;
  type: string;
}

/** A file to upload. A `File` keeps its name, a `Blob` is uploaded as "blob". */
export type Upload = Blob | NativeFile;

/** Build a multipart form; undefined and null fields are left out, and a list becomes repeated fields. */
export async function toForm(fields: object): Promise<FormData> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of Array.isArray(value) ? value : [value]) await append(form, name, one);
  }
  return form;
}

/** Encode a body: a form as it is, another one as its `Content-Type` says, by default JSON. */
export function encodeBody(body: unknown, headers?: Headers): FormData | string {
  if (body instanceof FormData) return body;
  if (headers?.get("Content-Type") !== "application/x-www-form-urlencoded") return JSON.stringify(body);
  const fields = Object.entries(body as Record<string, unknown>).filter(([, value]) => !isAbsent(value));
  return new URLSearchParams(fields.map(([name, value]) => [name, String(value)])).toString();
}

async function append(form: FormData, name: string, value: unknown): Promise<void> {
  if (isAbsent(value)) return;
  if (value instanceof Blob) form.append(name, value);
  else if (isNativeFile(value)) await appendNativeFile(form, name, value);
  else form.append(name, String(value));
}

/** React Native's form reads the file itself; a browser (Expo on the web) has to load its `blob:` or `data:` URL. */
async function appendNativeFile(form: FormData, name: string, file: NativeFile): Promise<void> {
  if (!("getParts" in form) && /^(blob|data):/.test(file.uri)) {
    const loaded = await (await fetch(file.uri)).blob();
    form.append(name, new File([loaded], file.name, { type: file.type }));
  } else {
    const { uri, name: fileName, type } = file;
    form.append(name, { uri, name: fileName, type } as unknown as Blob);
  }
}

function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

function isNativeFile(value: unknown): value is NativeFile {
  return typeof value === "object" && value !== null && "uri" in value;
}
