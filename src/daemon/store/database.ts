/**
 * What the daemon remembers: LMDB in <data root>/daemon (docs/adr/0012). A put that has resolved is on the disk; several
 * in one transaction are there all or none. Values are JSON, so that `mdb_dump` shows them.
 */
import { mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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
/** For a reason that is told a moment after the failure. */
const REASON_MS = 100;
const EIO = 5;
const ENOSPC = 28;
/** Bytes; more than one commit takes. */
const FULL = 4 * 1024 * 1024;

/** Throws TsrunError RECORD_CORRUPT for what is none, or of a later tsrun, which is left as it is. */
export function openDatabase(dataRoot: string, migrations = MIGRATIONS): Database {
  const path = join(dataRoot, 'daemon');
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const root = openRoot(path);
  migrate(root, path, migrations);
  let inTransaction = false;
  /** Throws TsrunError IO. */
  const written: Written = async (action) => {
    // A transaction has been let through as a whole.
    if (!inTransaction && isFull(path)) throw notWritten(path, ENOSPC);
    try {
      await action();
    } catch (error) {
      throw await commitFailure(error, path);
    }
  };
  return {
    table: (name) => {
      const db = root.openDB<unknown, string>({ name, encoding: 'json' });
      return tableOf(db, written);
    },
    transaction: (action) =>
      written(() =>
        root.transaction(() => {
          inTransaction = true;
          try {
            action();
          } finally {
            inTransaction = false;
          }
        }),
      ),
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

/**
 * The reason of a commit that failed is in a promise of its own. Of several that fail at once, lmdb settles the promise of
 * the first alone: whoever waited for another one would wait for ever.
 */
async function commitFailure(error: unknown, path: string): Promise<unknown> {
  if (!(error instanceof Error && 'commitError' in error)) return error;
  const told = Promise.resolve(error.commitError).catch((reason: unknown) => reason);
  const cause = await Promise.race([told, sleep(REASON_MS)]);
  const code = cause instanceof Error && 'code' in cause ? Number(cause.code) : EIO;
  // LMDB calls a write that came to its end in the middle EIO.
  return notWritten(path, code === EIO && isFull(path) ? ENOSPC : code, cause);
}

function notWritten(path: string, errno: number, cause?: unknown): TsrunError {
  return new TsrunError('IO', `the daemon's database is not written: ${describeErrno(errno)}`, {
    cause,
    hint: `make room where ${quote(path)} is`,
  });
}

/** Looked at before each write: one that fails damages the memory of lmdb 3.5, and with it the daemon. */
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

type Written = (action: () => Promise<unknown>) => Promise<void>;

function tableOf<T>(db: ReturnType<RootDatabase['openDB']>, written: Written): Table<T> {
  return {
    get: (key) => db.get(key) as T | undefined,
    entries: () => [...db.getRange()].map(({ key, value }) => [String(key), value as T] as const),
    put: (key, value) => written(() => db.put(key, value)),
    remove: (key) => written(() => db.remove(key)),
  };
}
