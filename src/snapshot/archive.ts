/**
 * Paths of containers as tar archives, both ways. What a path leads to is decided by tsrun-snapshot, confined to what the
 * container sees: of a running one its mount namespace, of a stopped one its snapshot with its volumes over it.
 */
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { TsrunError } from '../errors.js';
import { TarReader } from '../util/tar/reader.js';
import { ArchiveSink, type PutOptions } from './archive-sink.js';
import type { Entry } from './entry.js';
import { EntryReader } from './entry-reader.js';
import { type HelperCall, runHelper, startHelper } from './helper.js';
import { DEFAULT_LIMITS } from './layer.js';
import type { Mount } from './mount.js';
import type { SnapshotStore } from './store.js';
import { tarOf } from './tar-stream.js';

export type ArchiveView =
  /** fd: of its mount namespace. */
  | { readonly kind: 'namespace'; readonly fd: number }
  | {
      readonly kind: 'snapshot';
      readonly store: SnapshotStore;
      readonly mounts: readonly Mount[];
      /** A directory of the host to mount at; nothing of it is seen by anybody else. */
      readonly target: string;
      readonly binds: readonly { readonly source: string; readonly destination: string; readonly readOnly: boolean }[];
    };

function viewArgs(view: ArchiveView): string[] {
  if (view.kind === 'namespace') return ['namespace'];
  const [mount] = view.mounts;
  if (mount === undefined) throw new TsrunError('BUG', 'a snapshot without mounts');
  const { root } = view.store;
  const options = mount.options.map((option) => option.replaceAll(`${root}/`, '')).join(',');
  const how = mount.type === 'bind' ? ['bind', mount.source, ''] : ['overlay', root, options];
  const binds = view.binds.flatMap(({ source, destination, readOnly }) => [
    source,
    destination,
    readOnly ? 'ro' : 'rw',
  ]);
  return ['snapshot', view.target, ...how, ...binds];
}

const call = (view: ArchiveView, verb: HelperCall['verb'], args: readonly string[], subject: string): HelperCall => ({
  verb,
  args: [...args, ...viewArgs(view)],
  subject,
  ...(view.kind === 'namespace' ? { namespace: view.fd } : {}),
});

/** The last component is followed only if the path ends in "/" or "/."; entry.path is where it is, without a slash. */
export async function statPath(view: ArchiveView, path: string): Promise<Entry> {
  let found: Entry | undefined;
  const reader = new EntryReader({
    entry: (entry) => {
      found = entry;
    },
    data: () => undefined,
    fileEnd: () => undefined,
  });
  const { stdout, done } = startHelper({ ...call(view, 'stat', [path], path), stdout: 'pipe' });
  const read = (async () => {
    for await (const piece of stdout ?? []) reader.push(piece as Buffer);
  })();
  await Promise.all([done, read]);
  if (found === undefined) throw new TsrunError('BUG', `no answer about ${path}`);
  return found;
}

/** name: what the archive calls it: its name, "." or "/". */
export async function* getPath(view: ArchiveView, path: string, name: string): AsyncGenerator<Buffer> {
  const { stdout, done } = startHelper({ ...call(view, 'get', [path], path), stdout: 'pipe' });
  const failed = done.then(
    () => undefined,
    (error: unknown) => error,
  );
  const renamed = (inside: string) => (inside === '.' ? name : `${name === '/' ? '' : name}/${inside}`);
  let single = true;
  try {
    yield* tarOf(stdout as Readable, {
      rename: (inside) => {
        if (inside === '.') single = false;
        return single ? name : renamed(inside);
      },
    });
  } catch (error) {
    throw (await failed) ?? error; // the stream only ended early because the program did
  } finally {
    stdout?.destroy();
  }
  const error = await failed;
  if (error !== undefined) throw error;
}

/** A directory, 0755, with what is missing on the way; one that is there stays as it is. Throws HelperError. */
export async function makeDirectory(view: ArchiveView, path: string): Promise<void> {
  await runHelper(call(view, 'directory', [path], path));
}

/** tar: not compressed. Throws TarError, HelperError; what was unpacked before that stays. */
export async function putPath(view: ArchiveView, tar: AsyncIterable<Uint8Array>, options: PutOptions): Promise<void> {
  const { stdin, done } = startHelper({ ...call(view, 'put', [], options.directory), stdin: 'pipe' });
  if (stdin === null) throw new TsrunError('BUG', 'no pipe');
  let broken = false;
  stdin.on('error', () => {
    broken = true; // the program has ended, and says why
  });
  const sink = new ArchiveSink(options);
  const reader = new TarReader(sink, DEFAULT_LIMITS);
  try {
    for await (const piece of tar) {
      reader.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
      for (const bytes of sink.take())
        if (!stdin.write(bytes) && !broken) await Promise.race([once(stdin, 'drain'), done]);
      if (broken) break;
    }
    if (!broken) reader.finish();
    sink.end();
    for (const bytes of sink.take()) stdin.write(bytes);
    stdin.end();
  } catch (error) {
    stdin.destroy();
    await done.catch(() => undefined);
    throw error;
  }
  await done;
}
