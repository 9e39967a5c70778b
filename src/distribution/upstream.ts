/**
 * The registry behind a cache: what is not here is fetched from it, checked, kept, and handed on while it comes. A tag is
 * asked for each time, by HEAD, which registries do not count; when the registry does not answer, what is here is served.
 */
import type { ServerResponse } from 'node:http';
import { RegistryError } from '../errors.js';
import { MAX_DOCUMENT, parseDocument } from '../image/manifest.js';
import { MANIFEST_TYPES } from '../image/media-types.js';
import type { Repositories } from '../image/repositories.js';
import type { ContentStore } from '../image/store.js';
import { discard } from '../registry/answers.js';
import { fetchBlob } from '../registry/blobs.js';
import type { RegistryClient } from '../registry/client.js';
import { fetchManifest, headManifest, listReferrers, listTags, pullScope } from '../registry/manifests.js';
import type { Digest } from '../util/digest.js';
import { refuse } from './answer.js';
import { type BlobRoute, blobHeaders, sendBlob } from './blobs.js';
import type { Exchange } from './context.js';
import { type ManifestRoute, newManifest } from './manifests.js';

interface Blob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

export class Upstream {
  private readonly fetching = new Map<Digest, Promise<Uint8Array | undefined>>();

  constructor(
    private readonly client: RegistryClient,
    private readonly store: ContentStore,
    private readonly repositories: Repositories,
    private readonly warn: (message: string) => void,
  ) {}

  get name(): string {
    return this.client.registry;
  }

  /** Brings the manifest here, if it is not, or not any more what its tag says. Throws HttpError for what is not there. */
  async refresh(route: ManifestRoute): Promise<void> {
    const { repository, reference } = route;
    const here = reference.digest ?? this.repositories.tagged(repository, reference.tag);
    const isHere = here !== undefined && this.repositories.manifest(repository, here) !== undefined;
    if (reference.digest !== undefined && isHere) return;
    try {
      await this.update(route, isHere ? here : undefined);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      if (error.status === 404) throw refuse('MANIFEST_UNKNOWN', error.message);
      if (!isHere) throw unreachable(error);
      this.warn(`${error.message}: serving what was fetched before`);
    }
  }

  private async update({ repository, reference }: ManifestRoute, here: Digest | undefined): Promise<void> {
    const asked = reference.digest ?? reference.tag;
    const what = `${this.name}/${repository}:${asked}`;
    const request = { repository, reference: asked, accept: MANIFEST_TYPES, most: MAX_DOCUMENT, what };
    if (here !== undefined && (await headManifest(this.client, request)) === here) return;
    const { bytes, mediaType, digest } = await fetchManifest(this.client, request, reference.digest);
    const document = parseDocument(bytes, mediaType, what);
    const tags = reference.tag === undefined ? [] : [reference.tag];
    this.repositories.putManifest(
      repository,
      bytes,
      newManifest(document, digest, bytes.length, tags),
      () => undefined,
    );
  }

  /** GET and HEAD of a blob that is not here. Whoever asks first gets it while it comes, others when it is whole. */
  async sendBlob(exchange: Exchange, { repository, digest }: BlobRoute): Promise<void> {
    const size = await this.sizeOf(repository, digest);
    const { request, response } = exchange;
    if (request.method === 'HEAD') {
      response.writeHead(200, { ...blobHeaders(digest), 'content-length': String(size) }).end();
      return;
    }
    const running = this.fetching.get(digest);
    const streamed = running === undefined && request.headers.range === undefined && size > 0;
    const fetched = running ?? this.fetch(repository, { digest, size }, streamed ? response : undefined);
    const last = await fetched.catch(toldTo);
    if (response.headersSent) {
      response.end(last);
      return;
    }
    this.repositories.linkBlob(repository, digest);
    await sendBlob(this.store, exchange, digest);
  }

  private async sizeOf(repository: string, digest: Digest): Promise<number> {
    const what = `${this.name}/${repository}@${digest}`;
    const url = `/v2/${repository}/blobs/${digest}`;
    try {
      const answer = await this.client.call({ method: 'HEAD', url, scopes: [pullScope(repository)], ok: [200], what });
      await discard(answer);
      const length = answer.headers['content-length'];
      if (length === undefined || !/^\d{1,15}$/.test(length)) throw this.client.failed(`${what}: it names no length`);
      return Number(length);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      throw error.status === 404 ? refuse('BLOB_UNKNOWN', error.message) : unreachable(error);
    }
  }

  /** Resolves with what is still to be sent to the response. */
  private fetch(repository: string, blob: Blob, response: ServerResponse | undefined) {
    const what = `${this.name}/${repository}`;
    const headers = { ...blobHeaders(blob.digest), 'content-length': String(blob.size) };
    this.repositories.linkBlob(repository, blob.digest);
    let last: Uint8Array | undefined;
    const done = this.store
      .ingest(blob, (from) => {
        const source = fetchBlob(this.client, { repository, ...blob, what }, from);
        // Of one that an earlier attempt has begun the rest alone is no answer.
        if (response === undefined || response.headersSent || from > 0) return source;
        return copied(source, response.writeHead(200, headers), (piece) => {
          last = piece;
        });
      })
      .then(() => last)
      .finally(() => this.fetching.delete(blob.digest));
    this.fetching.set(blob.digest, done);
    return done;
  }

  tags(repository: string): Promise<string[]> {
    return this.listed(listTags(this.client, repository, `${this.name}/${repository}`), () =>
      this.repositories.tags(repository),
    ).then((tags) => tags.sort());
  }

  referrers(repository: string, digest: Digest): Promise<unknown[]> {
    const what = `${this.name}/${repository}@${digest}`;
    return this.listed(listReferrers(this.client, { repository, digest, what }), () =>
      this.repositories.referrers(repository, digest),
    );
  }

  private async listed<T>(source: AsyncIterable<T>, otherwise: () => T[]): Promise<T[]> {
    const all: T[] = [];
    try {
      for await (const item of source) all.push(item);
      return all;
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      if (error.status === 404) throw refuse('NAME_UNKNOWN', error.message);
      this.warn(`${error.message}: serving what was fetched before`);
      return otherwise();
    }
  }
}

/** For a client that waits: throws. */
function toldTo(error: unknown): never {
  throw error instanceof RegistryError ? unreachable(error) : error;
}

const unreachable = (error: RegistryError) =>
  refuse(error.status === 401 || error.status === 403 ? 'DENIED' : 'UNKNOWN', error.message, {
    ...(error.status === 401 || error.status === 403 ? {} : { status: 502 }),
  });

/**
 * What comes goes to the response too, as fast as both can take it; one that is closed is left out. The last piece is kept
 * back until the whole has turned out to be right: then `last` gets it.
 */
async function* copied(
  source: AsyncIterable<Uint8Array>,
  response: ServerResponse,
  last: (piece: Uint8Array) => void,
): AsyncIterable<Uint8Array> {
  let held: Uint8Array | undefined;
  for await (const chunk of source) {
    if (held !== undefined && !response.destroyed && !response.write(held)) await drained(response);
    held = chunk;
    yield chunk;
  }
  if (held !== undefined) last(held);
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
