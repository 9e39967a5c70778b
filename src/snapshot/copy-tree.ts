/** One tsrun-snapshot reads a tree, confined to it, another one writes it, confined to where it goes: nothing comes by here. */
import { closeSync } from 'node:fs';
import { addon } from '../native/addon.js';
import { HelperError, startHelper } from './helper.js';

const ENOENT = 2;
const ENOTDIR = 20;

type Source = Pick<Parameters<typeof startHelper>[0], 'verb' | 'args'>;

/** from: what writes an entry stream. into: a directory. Throws HelperError: of the writer if both have failed. */
export async function copyTree(from: Source, into: string, subject: string): Promise<void> {
  const [writer, reader] = addon().socketpair('stream');
  const source = startHelper({ ...from, stdout: writer, subject });
  const target = startHelper({ verb: 'unpack', args: [into, 'apply'], stdin: reader, subject });
  closeSync(writer);
  closeSync(reader);
  const [packing, unpacking] = await Promise.allSettled([source.done, target.done]);
  // What is missing is what the writer complains of when nothing comes.
  if (packing.status === 'rejected' && isMissing(packing.reason)) throw packing.reason;
  if (unpacking.status === 'rejected') throw unpacking.reason;
  if (packing.status === 'rejected') throw packing.reason;
}

/**
 * What an image has at a path, with owner and mode of the directory itself; nothing where it has no directory there.
 * directories: what shows the image, the uppermost first.
 */
export async function copyOfImage(directories: readonly string[], path: string, into: string): Promise<void> {
  const from = { verb: 'get', args: [`${path}/.`, 'tree', ...directories] } as const;
  await copyTree(from, into, `filling the volume at ${path}`).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

const isMissing = (error: unknown): boolean =>
  error instanceof HelperError && (error.record?.errno === ENOENT || error.record?.errno === ENOTDIR);
