/**
 * A thread that unpacks layers, one after the other: decompresses, hashes, reads the tar, and hands entries to
 * tsrun-snapshot. A bundle of its own (dist/unpack-worker.cjs).
 */
import { createHash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { decompressed } from '../image/decompress.js';
import { TarError, TarLimitError } from '../util/tar/entry.js';
import { TarReader } from '../util/tar/reader.js';
import { ownIdMaps } from '../util/user-namespace.js';
import { EntryWriter } from './entry-writer.js';
import { type LayerLimits, LayerSink } from './layer.js';

export interface UnpackOrder {
  readonly blob: string;
  /** Blocking; to tsrun-snapshot's stdin. */
  readonly fd: number;
  readonly limits: LayerLimits;
}

export interface Unpacked {
  readonly diffID: string;
  readonly bytes: number;
  readonly entries: number;
  readonly opaqueRoot: boolean;
  /** Entries that became root's, for want of ids. */
  readonly foreign: number;
  readonly implied: readonly string[];
  readonly hardlinks: ReadonlyMap<number, { readonly path: string; readonly link: string }>;
}

/** limit: the name of the setting that was reached. errno: of the blob, or EPIPE when tsrun-snapshot has ended. */
export interface UnpackFailure {
  readonly message: string;
  readonly kind: 'layer' | 'limit' | 'pipe' | 'other';
}

export type UnpackAnswer = { readonly unpacked: Unpacked } | { readonly failure: UnpackFailure };

async function unpack({ blob, fd, limits }: UnpackOrder): Promise<Unpacked> {
  const writer = new EntryWriter(fd);
  const sink = new LayerSink(writer, limits, ownIdMaps());
  const reader = new TarReader(sink, limits);
  const hash = createHash('sha256');
  let compressed = 0;
  let total = 0;
  const onRead = (bytes: number) => {
    compressed += bytes;
  };
  for await (const piece of decompressed(blob, onRead)) {
    total += piece.length;
    if (total > limits.ratioFrom && total > compressed * limits.ratio) {
      throw new TarLimitError('ratio', `unpacks to more than ${limits.ratio} times its size`);
    }
    hash.update(piece);
    reader.push(piece);
  }
  reader.finish();
  writer.end();
  const { bytes, entries, opaqueRoot, foreign, implied, hardlinks } = sink;
  return { diffID: `sha256:${hash.digest('hex')}`, bytes, entries, opaqueRoot, foreign, implied, hardlinks };
}

function failureOf(error: unknown): UnpackFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof TarLimitError) return { kind: 'limit', message: `${message} (limit ${error.limit})` };
  if (error instanceof TarError) return { kind: 'layer', message };
  const pipe = error instanceof Error && 'code' in error && (error.code === 'EPIPE' || error.code === 'ECONNRESET');
  return { kind: pipe ? 'pipe' : 'other', message };
}

async function answer(order: UnpackOrder): Promise<UnpackAnswer> {
  try {
    return { unpacked: await unpack(order) };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

parentPort?.on('message', (order: UnpackOrder) => {
  void answer(order).then((message) => parentPort?.postMessage(message));
});
