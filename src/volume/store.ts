/**
 * The volumes of a data root: <root>/volumes/<name>/ with volume.json and _data. A volume is there when its volume.json is,
 * which is written last; directories without one are what a killed daemon was making or removing.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TsrunError } from '../errors.js';
import { runHelper } from '../snapshot/helper.js';
import { describeSystemError } from '../util/errno.js';
import { readHostFile } from '../util/file.js';
import { replaceFile, syncDirectory } from '../util/replace-file.js';
import { noSuchVolume, volumeError } from './errors.js';
import { volumeMount } from './options.js';
import type { VolumeRecord, VolumeRequest } from './types.js';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const MAX_NAME = 255;
const MAX_RECORD = 1 << 20;
/** No name begins so. */
const REMOVING = '.removing-';

export class VolumeStore {
  readonly root: string;
  readonly #records = new Map<string, VolumeRecord>();

  constructor(dataRoot: string) {
    this.root = join(dataRoot, 'volumes');
    mkdirSync(this.root, { recursive: true, mode: 0o701 });
    for (const name of readdirSync(this.root)) {
      const record = readRecord(join(this.root, name, 'volume.json'));
      if (record !== undefined && record.name === name) this.#records.set(name, record);
    }
  }

  list(): readonly VolumeRecord[] {
    return [...this.#records.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  has(name: string): boolean {
    return this.#records.has(name);
  }

  /** Throws TsrunError VOLUME_NOT_FOUND. */
  get(name: string): VolumeRecord {
    const record = this.#records.get(name);
    if (record === undefined) throw noSuchVolume(name);
    return record;
  }

  /** What is mounted in containers. */
  pathOf(name: string): string {
    return join(this.root, name, '_data');
  }

  /**
   * The volume of this name, which may have been there. Throws TsrunError VOLUME_INVALID, VOLUME_CONFLICT when it is there
   * with another driver or other options.
   */
  create(request: VolumeRequest): { readonly record: VolumeRecord; readonly made: boolean } {
    checkRequest(request);
    const known = this.#records.get(request.name);
    if (known !== undefined) return { record: sameVolume(known, request), made: false };
    const record: VolumeRecord = { ...request, created: new Date().toISOString() };
    const made = mkdirSync(this.pathOf(request.name), { recursive: true, mode: 0o755 });
    try {
      this.#fill(record);
    } catch (error) {
      if (made !== undefined) rmSync(made, { recursive: true, force: true });
      throw new TsrunError('IO', `create ${request.name}: ${describeSystemError(error)}`, { cause: error });
    }
    this.#records.set(request.name, record);
    return { record, made: true };
  }

  #fill(record: VolumeRecord): void {
    const data = this.pathOf(record.name);
    chmodSync(dirname(data), 0o701);
    chmodSync(data, 0o755); // whatever the umask
    replaceFile(join(dirname(data), 'volume.json'), Buffer.from(`${JSON.stringify(record)}\n`));
    syncDirectory(this.root);
  }

  /** Nothing may be mounted in it. Throws TsrunError VOLUME_NOT_FOUND, SNAPSHOT_FAILED. */
  async remove(name: string): Promise<void> {
    this.get(name);
    const path = join(this.root, `${REMOVING}${randomBytes(8).toString('hex')}`);
    const moved = renamed(join(this.root, name), path);
    this.#records.delete(name);
    if (moved) await this.#removeTree(path);
  }

  /** What a killed daemon left. */
  async collect(): Promise<void> {
    for (const name of readdirSync(this.root)) {
      if (!this.#records.has(name)) await this.#removeTree(join(this.root, name));
    }
  }

  async #removeTree(path: string): Promise<void> {
    await runHelper({ verb: 'remove', args: [dirname(path), basename(path)], subject: path });
  }
}

function checkRequest({ name, driver, options }: VolumeRequest): void {
  if (!NAME.test(name) || name.length > MAX_NAME)
    throw volumeError(
      'VOLUME_INVALID',
      `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`,
    );
  if (driver !== 'local')
    throw volumeError(
      'VOLUME_NOT_FOUND',
      `create ${name}: error looking up volume plugin ${driver}: plugin "${driver}" not found`,
    );
  try {
    volumeMount(options);
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    throw volumeError('VOLUME_INVALID', `create ${name}: ${error.message}`, error);
  }
}

/** Options that are not given again are those it has. */
function sameVolume(known: VolumeRecord, { name, options }: VolumeRequest): VolumeRecord {
  const asked = Object.keys(options);
  const same =
    asked.length === Object.keys(known.options).length && asked.every((key) => known.options[key] === options[key]);
  if (asked.length === 0 || same) return known;
  throw volumeError('VOLUME_CONFLICT', `create ${name}: a volume of this name already exists with other options`);
}

function readRecord(path: string): VolumeRecord | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(
      readHostFile(path, 'a record of the volumes', { max: MAX_RECORD }).toString('utf8'),
    ) as VolumeRecord;
  } catch (error) {
    if (error instanceof TsrunError) throw error;
    throw new TsrunError('RECORD_CORRUPT', `${path}: cannot be read`, { cause: error });
  }
}

/** Whether it was there: one that somebody deleted by hand is removed too. */
function renamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
