/**
 * What the daemon remembers: LMDB in <data root>/daemon (docs/adr/0012). A put that has resolved is on the disk; several
 * in one transaction are there all or none. Values are JSON, so that `mdb_dump` shows them.
 */
import { mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { TsrunError } from '../../errors.js';
import { describeErrno } from '../../util/errno.js';
import { quote } from '../../util/quote.js';

export interface Table<T> {
  get(key: string): T | undefined;
  /** In the order of the keys. */
  entries(): readonly (readonly [key: string, value: T])[];
  put(key: string, value: T): Promise<void>;
  remove(key: string): Promise<void>;
}

export interface Database {
  /** One for each kind of thing; only its owner knows what T is. */
  table<T>(name: string): Table<T>;
  /** What action puts and removes is done together. It must not wait for anything. */
  transaction(action: () => void): Promise<void>;
  close(): Promise<void>;
}

/** A step brings the tables of the version before it to its own; the last one's is what we write. */
export type Migration = (root: RootDatabase) => void;
/** Version 1 is what the first daemon wrote. */
const MIGRATIONS: readonly Migration[] = [() => undefined];
const VERSION_KEY = 'version';
const MOST_TABLES = 32;
const EIO = 5;
const PATIENCE_MS = 10_000;
const ENOSPC = 28;
/** Bytes; more than one commit takes. */
const FULL = 1024 * 1024;

/** Throws TsrunError RECORD_CORRUPT for what is none, or of a later tsrun, which is left as it is. */
export function openDatabase(dataRoot: string, migrations = MIGRATIONS): Database {
  const path = join(dataRoot, 'daemon');
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const root = openRoot(path);
  migrate(root, path, migrations);
  /** Throws TsrunError IO. */
  const written: Written = (action) =>
    settled(action).catch(async (error: unknown) => {
      throw await commitFailure(error, path);
    });
  return {
    table: (name) => {
      const db = root.openDB<unknown, string>({ name, encoding: 'json' });
      return tableOf(db, written);
    },
    // At once: the promise of a transaction whose commit a full disk refuses may never settle. They are few and small.
    transaction: async (action) => {
      try {
        root.transactionSync(action);
      } catch (error) {
        throw await commitFailure(error, path);
      }
    },
    close: () => root.close(),
  };
}

function openRoot(path: string): RootDatabase {
  try {
    // Without overlappingSync a transaction has ended when it is on the disk.
    return open({ path: join(path, 'state.mdb'), encoding: 'json', maxDbs: MOST_TABLES, overlappingSync: false });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TsrunError('RECORD_CORRUPT', `the daemon's database ${quote(path)}: ${reason}`, {
      cause: error,
      hint: 'move the directory away to begin with none: containers and networks of the daemon are forgotten then',
    });
  }
}

/** Of commits that a full disk refuses, one after the other, a promise may be left that never settles. */
function settled(action: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('no answer'), { code: EIO })), PATIENCE_MS);
  });
  return Promise.race([action, late]).finally(() => clearTimeout(timer));
}

/** The reason of a commit that failed is in a promise of its own. */
async function commitFailure(error: unknown, path: string): Promise<unknown> {
  if (!(error instanceof Error) || error instanceof TsrunError) return error;
  if (!('commitError' in error) && !('code' in error)) return error;
  const own = 'commitError' in error ? error.commitError : error;
  const cause = await Promise.resolve(own).catch((reason: unknown) => reason);
  const errno = cause instanceof Error && 'code' in cause ? Number(cause.code) : 0;
  const why = errno > 0 ? describeErrno(errno === EIO && isFull(path) ? ENOSPC : errno) : String(cause);
  return new TsrunError('IO', `the daemon's database is not written: ${why}`, {
    cause,
    hint: `make room where ${quote(path)} is`,
  });
}

/** LMDB calls a write that came to its end in the middle EIO. */
function isFull(path: string): boolean {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize < FULL;
}

function migrate(root: RootDatabase, path: string, migrations: readonly Migration[]): void {
  const version: unknown = root.get(VERSION_KEY) ?? 0;
  if (typeof version !== 'number' || version > migrations.length) {
    throw new TsrunError('RECORD_CORRUPT', `the daemon's database ${quote(path)} is of a later tsrun`, {
      hint: `it has version ${String(version)}, this tsrun knows ${migrations.length}: nothing was changed`,
    });
  }
  if (version === migrations.length) return;
  root.transactionSync(() => {
    for (const step of migrations.slice(version)) step(root);
    root.putSync(VERSION_KEY, migrations.length);
  });
}

type Written = (action: Promise<unknown>) => Promise<unknown>;

function tableOf<T>(db: ReturnType<RootDatabase['openDB']>, written: Written): Table<T> {
  return {
    get: (key) => db.get(key) as T | undefined,
    entries: () => [...db.getRange()].map(({ key, value }) => [String(key), value as T] as const),
    put: async (key, value) => void (await written(db.put(key, value))),
    remove: async (key) => void (await written(db.remove(key))),
  };
}
