/**
 * A layer's tar becomes an entry stream: names are judged, whiteouts told from files, attributes chosen. image-spec,
 * layer.md. Nothing here looks at a file system: what an entry does there, and whether a link leads it astray, is the
 * affair of tsrun-snapshot.
 *
 * Pure.
 */
import { type TarEntry, TarError, TarLimitError } from '../util/tar/entry.js';
import type { TarLimits, TarSink } from '../util/tar/reader.js';
import { type IdMaps, isMapped } from '../util/user-namespace.js';
import { BLANK, type Entry, FLAG } from './entry.js';

export interface LayerLimits extends TarLimits {
  /** What the files of a layer hold together, holes included. */
  readonly bytes: number;
  /** Unpacked bytes for each compressed one; heeded once there are more than ratioFrom. */
  readonly ratio: number;
  readonly ratioFrom: number;
}

export const DEFAULT_LIMITS: LayerLimits = {
  entries: 2_000_000,
  headerBytes: 1 << 20,
  nameBytes: 4095,
  bytes: 2 ** 37,
  ratio: 250,
  ratioFrom: 2 ** 29,
};

export interface EntryOutput {
  entry(entry: Omit<Entry, 'index'>): number;
  data(offset: number, bytes: Buffer): void;
  fileEnd(): void;
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** Of aufs: names for its own use, never of the image. */
const AUFS = '.wh..wh.';

const CARRIED = /^(user\.(?!overlay\.)|security\.capability$|system\.posix_acl_)/;
/** VFS_CAP_REVISION_3 names a user namespace's root of the machine that packed it: capabilities(7). */
const NAMESPACED_CAPABILITY_BYTES = 24;

export class LayerSink implements TarSink {
  readonly #out: EntryOutput;
  readonly #limits: LayerLimits;
  /** Directories that came with an entry of their own, and links, which stand where a directory might be meant. */
  readonly #known = new Set<string>();
  readonly #implied = new Set<string>();
  /** Hard links by index; those whose target is in a layer below are told by it. */
  readonly hardlinks = new Map<number, { readonly path: string; readonly link: string }>();
  #bytes = 0;
  #entries = 0;
  #inFile = false;
  readonly #owners: IdMaps | undefined;
  /** Entries whose owner no id of this user namespace stands for. */
  foreign = 0;
  /** The layer hides all those below it. */
  opaqueRoot = false;

  /** owners: the ids there are; undefined: all. */
  constructor(out: EntryOutput, limits: LayerLimits, owners?: IdMaps) {
    this.#out = out;
    this.#limits = limits;
    this.#owners = owners;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get entries(): number {
    return this.#entries;
  }

  /** Directories that were made only because something is in them: those of the layers below keep their attributes. */
  get implied(): readonly string[] {
    return [...this.#implied].filter((path) => !this.#known.has(path));
  }

  entry(tar: TarEntry): void {
    this.#entries++;
    const path = judgeName(tar.name);
    this.#inFile = tar.kind === 'file' && !isMarker(path);
    this.#imply(path);
    if (isMarker(path)) {
      this.#marker(path, tar.name);
      return;
    }
    this.#count(tar);
    if (tar.kind === 'directory' || tar.kind === 'symlink') this.#known.add(path);
    if (path === '.' && tar.kind !== 'directory') throw new TarError(`${show(tar.name)}: the root must be a directory`);
    if (tar.kind === 'character' && tar.major === 0 && tar.minor === 0) {
      throw new TarError(`${show(tar.name)}: a character device 0/0 would be a whiteout`);
    }
    const link = tar.kind === 'hardlink' ? judgeName(tar.link) : judgeTarget(tar);
    const index = this.#out.entry({
      ...BLANK,
      kind: tar.kind,
      path,
      link,
      mode: tar.mode,
      ...this.#owner(tar),
      major: tar.major,
      minor: tar.minor,
      size: tar.size,
      mtime: tar.mtime,
      xattrs: chooseXattrs(tar.xattrs),
    });
    if (tar.kind === 'hardlink') this.hardlinks.set(index, { path, link });
  }

  #owner(tar: TarEntry): { readonly uid: number; readonly gid: number } {
    const [uid, gid] = [judgeId(tar, tar.uid), judgeId(tar, tar.gid)];
    if (this.#owners === undefined) return { uid, gid };
    const { uids, gids } = this.#owners;
    if (isMapped(uids, uid) && isMapped(gids, gid)) return { uid, gid };
    const [only] = uids;
    if (uids.length > 1 || only?.size !== 1)
      throw new TarError(`${show(tar.name)}: belongs to ${uid}:${gid}: /etc/subuid and /etc/subgid grant no such ids`);
    // With one id everything is root's.
    this.foreign++;
    return { uid: 0, gid: 0 };
  }

  data(offset: number, bytes: Buffer): void {
    if (this.#inFile) this.#out.data(offset, bytes);
  }

  fileEnd(): void {
    if (this.#inFile) this.#out.fileEnd();
    this.#inFile = false;
  }

  #count({ size, name }: TarEntry): void {
    this.#bytes += size;
    if (this.#bytes > this.#limits.bytes) {
      throw new TarLimitError('bytes', `${show(name)}: the layer holds more than ${this.#limits.bytes} bytes`);
    }
  }

  #imply(path: string): void {
    if (path !== '.') this.#implied.add('.');
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      this.#implied.add(path.slice(0, slash));
    }
  }

  #marker(path: string, name: string): void {
    const { directory, base } = split(path);
    if (base === OPAQUE) {
      if (directory === '.') this.opaqueRoot = true;
      this.#out.entry({ ...BLANK, kind: 'directory', path: directory, flags: FLAG.opaque | FLAG.bare });
      return;
    }
    if (base.startsWith(AUFS)) return;
    const hidden = base.slice(WHITEOUT.length);
    // CVE class of whiteouts: ".wh..." would be "..".
    if (hidden === '' || hidden === '.' || hidden === '..') throw new TarError(`${show(name)}: not a name to remove`);
    this.#out.entry({ ...BLANK, kind: 'whiteout', path: directory === '.' ? hidden : `${directory}/${hidden}` });
  }
}

function split(path: string): { readonly directory: string; readonly base: string } {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? { directory: '.', base: path } : { directory: path.slice(0, slash), base: path.slice(slash + 1) };
}

function isMarker(path: string): boolean {
  return split(path).base.startsWith(WHITEOUT);
}

/** "./a//b/" and "/a/b" are "a/b"; "." is the root. ".." is refused: no tool that packs a tree writes it. */
export function judgeName(name: string): string {
  if (name === '') throw new TarError('an entry without a name');
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new TarError(`${show(name)}: escapes the layer's root`);
  if (parts.some((part) => part.length > 255)) throw new TarError(`${show(name.slice(0, 300))}: a name is too long`);
  if (name.includes('\0')) throw new TarError(`${show(name)}: holds a NUL byte`);
  return parts.length === 0 ? '.' : parts.join('/');
}

function judgeTarget({ kind, link, name }: TarEntry): string {
  if (kind === 'symlink' && link === '') throw new TarError(`${show(name)}: a symlink to nothing`);
  return link;
}

/** 2^32-1 is "no change" to chown(2). */
function judgeId({ name }: TarEntry, id: number): number {
  if (id < 0 || id >= 0xffffffff) throw new TarError(`${show(name)}: no such owner: ${id}`);
  return id;
}

export function chooseXattrs(xattrs: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> {
  if (xattrs.size === 0) return xattrs;
  const kept = [...xattrs].filter(([name, value]) => {
    if (name === 'security.capability' && value.length >= NAMESPACED_CAPABILITY_BYTES) return false;
    return CARRIED.test(name) && !name.includes('\0') && name.length <= 255;
  });
  return new Map(kept);
}

function show(name: string): string {
  return JSON.stringify(name);
}
