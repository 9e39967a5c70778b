/**
 * Where snapshots lie: <data root>/snapshots (0700).
 *
 *   layers/<chain id>     record of a layer that is whole, written after its tree was synced: what makes it exist
 *   trees/<name>/fs       the files of a layer, whiteouts in overlayfs's form; without a record it is half done
 *   active/<key>/         a snapshot: snapshot.json, fs, and work of overlayfs
 *   locks/                held while a chain id is unpacked
 *
 * Whoever makes a directory of trees/ or active/ holds its lock (flock(2) on the directory itself) until the record is
 * there, so that what is locked is being made, and what is neither locked nor recorded is garbage of somebody who died.
 * Only directories of ours are touched here; what is in a tree is tsrun-snapshot's.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TsrunError } from '../errors.js';
import { exclusively, isStill, openLockFile, tryLock } from '../image/locks.js';
import { type Digest, digestOf, digestParts, isDigest } from '../util/digest.js';
import { describeSystemError } from '../util/errno.js';
import { readHostFile } from '../util/file.js';
import { quote } from '../util/quote.js';
import { removeTemporaries, replaceFile, replaceFiles } from '../util/replace-file.js';
import { runHelper } from './helper.js';

/** sha256 of the chain of diff ids: image-spec config.md, "Layer ChainID". */
export type ChainId = Digest;

export interface LayerRecord {
  readonly chainId: ChainId;
  readonly parent: ChainId | null;
  readonly diffId: Digest;
  /** Name in trees/. */
  readonly tree: string;
  /** Hides all layers below it. */
  readonly opaque: boolean;
  /** What its files hold, and how many entries it has. */
  readonly bytes: number;
  readonly entries: number;
}

export interface SnapshotRecord {
  readonly key: string;
  readonly parent: ChainId | null;
  readonly readOnly: boolean;
  /** Of the driver that made it. */
  readonly driver: string;
  readonly created: string;
  /** Manifest of the image that it was made from. */
  readonly image?: Digest;
  /** Empty files in its root that are no change of anybody's. */
  readonly marks?: readonly string[];
  /** The container that runs on it, for the collector; remove: it is to go when its program has ended. */
  readonly owner?: { readonly root: string; readonly id: string; readonly remove: boolean };
}

/** A directory that is being made; close() lets go of it. */
export interface Claim {
  readonly path: string;
  readonly name: string;
  close(): void;
}

const lineOf = (record: LayerRecord | SnapshotRecord) => Buffer.from(`${JSON.stringify(record)}\n`);

const KEY = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;
const MAX_RECORD = 1 << 16;
const POLL_MS = 50;
const RECORD = 'snapshot.json';
/** overlayfs takes these in its options for separators. */
const NOT_IN_OPTIONS = /[:,\\]/;

export function chainIdOf(parent: ChainId | null, diffId: Digest): ChainId {
  return parent === null ? diffId : digestOf(Buffer.from(`${parent} ${diffId}`));
}

export class SnapshotStore {
  readonly root: string;

  /** Makes what is missing. Throws TsrunError IO. */
  constructor(dataRoot: string) {
    this.root = join(dataRoot, 'snapshots');
    if (NOT_IN_OPTIONS.test(this.root)) {
      throw new TsrunError('IO', `--data-root: ${quote(dataRoot)}: overlayfs cannot name a path with ":", "," or "\\"`);
    }
    try {
      for (const name of ['layers', 'trees', 'active', 'locks']) {
        mkdirSync(join(this.root, name), { recursive: true, mode: 0o700 });
      }
    } catch (error) {
      throw new TsrunError('IO', `--data-root: ${quote(dataRoot)}: ${describeSystemError(error)}`, { cause: error });
    }
  }

  layer(chainId: ChainId): LayerRecord | undefined {
    const path = this.#layerPath(chainId);
    return existsSync(path) ? readRecord<LayerRecord>(path) : undefined;
  }

  layers(): LayerRecord[] {
    const ids = readdirSync(join(this.root, 'layers')).map((hex) => `sha256:${hex}`);
    return ids.filter(isDigest).flatMap((id) => this.layer(id) ?? []);
  }

  /** Where the trees of all layers are. */
  get treesPath(): string {
    return join(this.root, 'trees');
  }

  treePath(record: Pick<LayerRecord, 'tree'>): string {
    return join(this.treesPath, record.tree, 'fs');
  }

  /** The trees of a chain, the uppermost first. Throws TsrunError SNAPSHOT_NOT_FOUND. */
  trees(chainId: ChainId | null): string[] {
    const paths: string[] = [];
    for (let id = chainId; id !== null; ) {
      const record = this.layer(id);
      if (record === undefined) throw new TsrunError('SNAPSHOT_NOT_FOUND', `layer ${id} is not unpacked`);
      paths.push(this.treePath(record));
      id = record.opaque ? null : record.parent;
    }
    return paths;
  }

  /** Waits for others that unpack the same layer. The result lets go of it. */
  async lock(chainId: ChainId): Promise<() => void> {
    const path = this.#lockPath(chainId);
    for (;;) {
      const fd = openLockFile(path);
      while (!tryLock(fd)) await sleep(POLL_MS);
      if (isStill(fd, path)) return () => closeSync(fd);
      closeSync(fd); // a collector has removed it meanwhile
    }
  }

  newTree(): Claim {
    return this.#claim('trees', randomBytes(4).toString('hex'));
  }

  /** Throws TsrunError SNAPSHOT_EXISTS, USAGE. */
  newActive(key: string): Claim {
    if (!KEY.test(key)) throw new TsrunError('USAGE', `${quote(key)} cannot name a snapshot`);
    return this.#claim('active', key);
  }

  /** A directory with an empty fs, under its lock. */
  #claim(kind: 'trees' | 'active', name: string): Claim {
    const path = join(this.root, kind, name);
    const fd = exclusively(join(this.root, 'lock'), () => {
      try {
        mkdirSync(path, { mode: 0o700 });
      } catch (error) {
        if (!existsSync(path)) throw error;
        throw new TsrunError('SNAPSHOT_EXISTS', `snapshot ${quote(name)} already exists`, { cause: error });
      }
      return lockedDirectory(path);
    });
    mkdirSync(join(path, 'fs'), { mode: 0o755 });
    chmodSync(join(path, 'fs'), 0o755); // whatever the umask
    return { path, name, close: () => (fd === undefined ? undefined : closeSync(fd)) };
  }

  /** Lowest first. A record is on the disk only after the tree that it tells of. */
  async commitLayers(records: readonly LayerRecord[]): Promise<void> {
    const files = records.map((record) => ({ path: this.#layerPath(record.chainId), bytes: lineOf(record) }));
    await replaceFiles(files, () => runHelper({ verb: 'sync', args: [this.root], subject: this.root }));
  }

  commitActive(record: SnapshotRecord): void {
    replaceFile(join(this.activePath(record.key), RECORD), lineOf(record));
  }

  activePath(key: string): string {
    return join(this.root, 'active', key);
  }

  /** Throws TsrunError SNAPSHOT_NOT_FOUND. */
  active(key: string): SnapshotRecord {
    const path = join(this.activePath(key), RECORD);
    if (KEY.test(key) && existsSync(path)) return readRecord<SnapshotRecord>(path);
    throw new TsrunError('SNAPSHOT_NOT_FOUND', `there is no snapshot ${quote(key)}`);
  }

  actives(): SnapshotRecord[] {
    const keys = readdirSync(join(this.root, 'active'));
    return keys.filter((key) => existsSync(join(this.activePath(key), RECORD))).map((key) => this.active(key));
  }

  /** The record first: what is half removed is garbage, not a snapshot. */
  async removeActive(key: string): Promise<void> {
    rmSync(join(this.activePath(key), RECORD), { force: true });
    await this.#removeDirectory('active', key);
  }

  /** Removes a claimed directory again. */
  async discard(claim: Claim): Promise<void> {
    claim.close();
    const kind = claim.path.startsWith(join(this.root, 'trees')) ? 'trees' : 'active';
    await this.#removeDirectory(kind, claim.name);
  }

  /** A bundle beside the snapshots. Nothing that is mounted in it is touched. */
  async removeBundle(path: string): Promise<void> {
    await runHelper({ verb: 'remove', args: [dirname(path), basename(path)], subject: path });
  }

  async #removeDirectory(kind: 'trees' | 'active', name: string): Promise<void> {
    await runHelper({ verb: 'remove', args: [join(this.root, kind), name], subject: `snapshots/${kind}/${name}` });
  }

  /** Forgets layers, and removes what nobody made whole. The number of directories removed. */
  async collect(forget: (record: LayerRecord) => boolean): Promise<number> {
    const garbage = exclusively(join(this.root, 'lock'), () => {
      const kept = new Set<string>();
      for (const record of this.layers()) {
        if (forget(record)) rmSync(this.#layerPath(record.chainId), { force: true });
        else kept.add(record.tree);
      }
      removeTemporaries(join(this.root, 'layers'));
      this.#removeLocks();
      const trees = this.#unlocked('trees').filter((name) => !kept.has(name));
      const active = this.#unlocked('active').filter((key) => !existsSync(join(this.activePath(key), RECORD)));
      return [...trees.map((name) => ['trees', name] as const), ...active.map((name) => ['active', name] as const)];
    });
    for (const [kind, name] of garbage) await this.#removeDirectory(kind, name);
    return garbage.length;
  }

  /** Of layers that are not there, and that nobody unpacks. */
  #removeLocks(): void {
    for (const hex of readdirSync(join(this.root, 'locks'))) {
      const chainId = `sha256:${hex}`;
      if (!isDigest(chainId) || this.layer(chainId) !== undefined) continue;
      const fd = openLockFile(this.#lockPath(chainId));
      if (tryLock(fd)) rmSync(this.#lockPath(chainId), { force: true });
      closeSync(fd);
    }
  }

  #unlocked(kind: 'trees' | 'active'): string[] {
    const directory = join(this.root, kind);
    return readdirSync(directory).filter((name) => {
      const fd = lockedDirectory(join(directory, name));
      if (fd !== undefined) closeSync(fd);
      return fd !== undefined;
    });
  }

  #lockPath(chainId: ChainId): string {
    return join(this.root, 'locks', digestParts(chainId).hex);
  }

  #layerPath(chainId: ChainId): string {
    return join(this.root, 'layers', digestParts(chainId).hex);
  }
}

/** undefined: somebody else holds its lock. */
function lockedDirectory(path: string): number | undefined {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  if (tryLock(fd)) return fd;
  closeSync(fd);
  return undefined;
}

function readRecord<T>(path: string): T {
  try {
    return JSON.parse(readHostFile(path, 'a record of the snapshots', { max: MAX_RECORD }).toString('utf8')) as T;
  } catch (error) {
    if (error instanceof TsrunError) throw error;
    throw new TsrunError('RECORD_CORRUPT', `${quote(path)}: cannot be read`, { cause: error });
  }
}

/** The upper directory's root is what the container sees as "/": it looks as that of the layer below. */
export function copyRootAttributes(from: string, to: string): void {
  const { uid, gid, mode } = statSync(from);
  chownSync(to, uid, gid);
  chmodSync(to, mode & 0o7777);
}
