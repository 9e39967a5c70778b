/**
 * Blobs of a repository, up: distribution-spec "Pushing blobs". One that is there is not sent; one that another repository
 * of the registry has is mounted; a small one goes in one request, a large one in chunks, of which only the last is lost
 * when a connection breaks.
 */
import { RegistryError } from '../errors.js';
import type { Digest } from '../util/digest.js';
import { discard } from './answers.js';
import type { RegistryClient } from './client.js';
import type { HttpResponse } from './http.js';
import { pullScope, pushScope } from './manifests.js';

export interface Upload {
  readonly repository: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly what: string;
  /** Repositories of the same registry that may have it. */
  readonly mountFrom: readonly string[];
  /** The bytes from..to of the blob. */
  readonly read: (from: number, to: number) => AsyncIterable<Uint8Array>;
  /** Told how many bytes are there. */
  readonly progress?: ((sent: number) => void) | undefined;
}

export type Uploaded = 'exists' | 'mounted' | 'sent';

const CHUNK = 32 * 1024 * 1024;
const MAX_CHUNK = 1024 * 1024 * 1024;

/** Throws RegistryError. */
export async function uploadBlob(client: RegistryClient, upload: Upload): Promise<Uploaded> {
  if (await blobExists(client, upload)) return 'exists';
  for (const from of upload.mountFrom) {
    if (await mounted(client, upload, from)) return 'mounted';
  }
  const { attempts } = client.settings;
  const what = whatOf(upload);
  // A broken upload is begun anew, unless it is in chunks: then it is gone on with, in sendChunks().
  await client.persistently(what, attempts, async () => {
    const location = await begin(client, upload, undefined);
    if (location === undefined) return;
    if (upload.size <= CHUNK) await sendWhole(client, upload, location);
    else await sendChunks(client, upload, location);
  });
  return 'sent';
}

const whatOf = ({ what, digest }: Upload): string => `${what}: blob ${digest}`;

async function blobExists(client: RegistryClient, upload: Upload): Promise<boolean> {
  const { repository, digest } = upload;
  const url = `/v2/${repository}/blobs/${digest}`;
  const scopes = [pushScope(repository)];
  const response = await client.call({ method: 'HEAD', url, scopes, ok: [200, 404], what: whatOf(upload) });
  await discard(response);
  return response.status === 200;
}

interface Location {
  readonly url: URL | string;
  readonly chunk: number;
}

/** Undefined when the registry has it now: mounted. */
async function begin(client: RegistryClient, upload: Upload, from: string | undefined): Promise<Location | undefined> {
  const { repository, digest } = upload;
  const query = from === undefined ? '' : `?${new URLSearchParams({ mount: digest, from })}`;
  const response = await client.call({
    method: 'POST',
    url: `/v2/${repository}/blobs/uploads/${query}`,
    body: { size: 0, open: nothing },
    scopes: [pushScope(repository), ...(from === undefined ? [] : [pullScope(from)])],
    ok: [201, 202],
    what: whatOf(upload),
  });
  await discard(response);
  return response.status === 201 ? undefined : locationOf(client, response);
}

async function* nothing(): AsyncIterable<Uint8Array> {}

function locationOf(client: RegistryClient, { headers }: HttpResponse, chunk = CHUNK): Location {
  const { location } = headers;
  if (location === undefined) throw client.failed('its answer to an upload has no Location');
  const least = Number(headers['oci-chunk-min-length'] ?? 0);
  return { url: location, chunk: Math.min(Math.max(chunk, Number.isSafeInteger(least) ? least : 0), MAX_CHUNK) };
}

/** The location may have a query of its own. Relative to the registry's root. */
async function withDigest(client: RegistryClient, { url }: Location, digest: Digest): Promise<URL> {
  const found = await client.absolute(url);
  found.searchParams.set('digest', digest);
  return found;
}

/** Being refused, for want of rights in the other repository for example, is as good as not mounted. */
async function mounted(client: RegistryClient, upload: Upload, from: string): Promise<boolean> {
  let location: Location | undefined;
  try {
    location = await begin(client, upload, from);
  } catch (error) {
    if (error instanceof RegistryError && error.status >= 400 && error.status < 500) return false;
    throw error;
  }
  if (location !== undefined) await cancel(client, upload, location);
  return location === undefined;
}

async function cancel(client: RegistryClient, upload: Upload, { url }: Location): Promise<void> {
  const scopes = [pushScope(upload.repository)];
  // Registries forget uploads by themselves, and some cannot cancel.
  const call = { method: 'DELETE', url, scopes, ok: [204, 404, 405], what: whatOf(upload), once: true } as const;
  await client.call(call).then(discard, () => undefined);
}

async function sendWhole(client: RegistryClient, upload: Upload, location: Location): Promise<void> {
  const { repository, digest, size } = upload;
  const response = await client.call({
    method: 'PUT',
    url: await withDigest(client, location, digest),
    headers: { 'content-type': 'application/octet-stream' },
    body: { size, open: () => counted(upload, 0, size) },
    scopes: [pushScope(repository)],
    ok: [201],
    what: whatOf(upload),
    once: true,
  });
  await discard(response);
}

async function sendChunks(client: RegistryClient, upload: Upload, first: Location): Promise<void> {
  const { repository, digest, size } = upload;
  const scopes = [pushScope(repository)];
  const what = whatOf(upload);
  let location = first;
  let at = 0;
  for (let failures = 0; at < size; ) {
    const to = Math.min(at + location.chunk, size);
    try {
      const response = await client.call({
        method: 'PATCH',
        url: location.url,
        headers: { 'content-type': 'application/octet-stream', 'content-range': `${at}-${to - 1}` },
        body: { size: to - at, open: () => counted(upload, at, to) },
        ...{ scopes, ok: [202], what, once: true },
      });
      await discard(response);
      location = locationOf(client, response, location.chunk);
      at = to;
      failures = 0;
    } catch (error) {
      failures++;
      await client.afterFailure(what, error, failures, client.settings.attempts);
      const there = await status(client, upload, location);
      location = there.location;
      at = there.at;
    }
  }
  const url = await withDigest(client, location, digest);
  await discard(await client.call({ method: 'PUT', url, body: { size: 0, open: nothing }, scopes, ok: [201], what }));
}

/** How far the registry got. */
async function status(client: RegistryClient, upload: Upload, location: Location) {
  const scopes = [pushScope(upload.repository)];
  const response = await client.call({ method: 'GET', url: location.url, scopes, ok: [204], what: whatOf(upload) });
  await discard(response);
  const last = /-(\d+)$/.exec(response.headers['range']?.toString() ?? '')?.[1];
  // "0-0" is what registries answer for nothing as well as for one byte: one byte is sent again.
  const at = last === undefined || last === '0' ? 0 : Number(last) + 1;
  return { at: Math.min(at, upload.size), location: locationOf(client, response, location.chunk) };
}

async function* counted({ read, progress }: Upload, from: number, to: number): AsyncIterable<Uint8Array> {
  let sent = from;
  for await (const chunk of read(from, to)) {
    yield chunk;
    sent += chunk.length;
    progress?.(sent);
  }
}
