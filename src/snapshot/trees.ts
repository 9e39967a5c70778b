/** Whole trees: what is in them, how two differ, and as tar. */
import type { Readable } from 'node:stream';
import { TsrunError } from '../errors.js';
import { type Change, changesBetween, type Listing, readListing } from './changes.js';
import { startHelper } from './helper.js';
import { tarOf } from './tar-stream.js';

/** What is in a tree, without what its files hold. */
export async function listTree(directories: readonly string[], subject: string): Promise<Listing> {
  const { stdout, done } = startHelper({ verb: 'pack', args: ['metadata', ...directories], stdout: 'pipe', subject });
  if (stdout === null) throw new TsrunError('BUG', 'no pipe');
  const [listing] = await Promise.all([readListing(stdout), done]);
  return listing;
}

/** What `after` has that `before` has not, and the other way round. */
export async function compareTrees(before: readonly string[], after: readonly string[]): Promise<Change[]> {
  const [old, now] = await Promise.all([
    before.length === 0 ? new Map() : listTree(before, 'the first tree'),
    after.length === 0 ? new Map() : listTree(after, 'the second tree'),
  ]);
  return changesBetween(withoutMarks(old), withoutMarks(now));
}

/** The lowest layer of a chain may hide names of layers that it does not have. */
const withoutMarks = (listing: Listing): Listing => new Map([...listing].filter(([, { kind }]) => kind !== 'whiteout'));

/** A whole tree as tar. */
export async function* exportTree(directories: readonly string[], subject: string): AsyncGenerator<Buffer> {
  yield* packed(['tree', ...directories], subject, {});
}

/** The tar of what `pack` finds. */
export async function* packed(
  args: readonly string[],
  subject: string,
  options: Parameters<typeof tarOf>[1],
): AsyncGenerator<Buffer> {
  const { stdout, done } = startHelper({ verb: 'pack', args, stdout: 'pipe', subject });
  const failed = done.then(
    () => undefined,
    (error: unknown) => error,
  );
  try {
    yield* tarOf(stdout as Readable, options);
  } catch (error) {
    throw (await failed) ?? error; // the stream only ended early because the program did
  }
  const error = await failed;
  if (error !== undefined) throw error;
}
