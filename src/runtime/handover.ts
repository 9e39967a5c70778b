/**
 * What the launcher hands over when a verb that it ran itself failed, or has warnings (csrc/launcher/main.c): a memfd with
 * the answer of the executor's functions, and behind its last record the plan of the container as it was before. The same
 * command then runs here and takes the answer where it would have called the executor.
 */
import { closeSync, fstatSync, readSync } from 'node:fs';

/** The bytes, once: what a command asks the executor after its first verb is run. */
export type TakeHandover = () => Buffer | undefined;

/** env: the launcher's, of which nothing comes from its caller but the allow-list in csrc/launcher/node.c. */
export function openHandover({
  TSRUN_ANSWER: text = '',
}: {
  readonly [name: string]: string | undefined;
}): TakeHandover {
  let fd = /^\d{1,4}$/.test(text) ? Number(text) : undefined;
  return () => {
    const taken = fd;
    fd = undefined;
    return taken === undefined ? undefined : readAll(taken);
  };
}

function readAll(fd: number): Buffer {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  const length = readSync(fd, bytes, 0, bytes.length, 0);
  closeSync(fd);
  return bytes.subarray(0, length);
}
