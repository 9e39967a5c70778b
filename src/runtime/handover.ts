/**
 * What the launcher hands over when a verb that it ran itself failed, or has warnings (csrc/launcher/main.c, create.c): a
 * memfd with the answers of the verbs that were run, and behind the last record the plan of the container as it was before.
 * The same command then runs here and takes each answer where it would have called the executor.
 */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { type Answer, decodeAnswer } from '../exec/channel.js';

export interface Handover {
  readonly answer: Answer;
  /** Bytes; empty when there was none. */
  readonly plan: Buffer;
}

/** That of the next verb of a command; undefined when all are taken: from there on the executor is asked. */
export type TakeHandover = () => Handover | undefined;

/** env: the launcher's, of which nothing comes from its caller but the allow-list in csrc/launcher/node.c. */
export function openHandover({
  TSRUN_ANSWER: text = '',
}: {
  readonly [name: string]: string | undefined;
}): TakeHandover {
  let fd = /^\d{1,4}$/.test(text) ? Number(text) : undefined;
  let left: readonly Handover[] | undefined;
  return () => {
    if (fd !== undefined) left = decode(readAll(fd));
    fd = undefined;
    const [next, ...rest] = left ?? [];
    left = rest;
    return next;
  };
}

/** One without a verdict is the last. */
function decode(bytes: Buffer): Handover[] {
  const answers: Answer[] = [];
  let at = 0;
  do {
    const answer = decodeAnswer(bytes.subarray(at));
    if (answers.length > 0 && answer.size === 0) break;
    answers.push(answer);
    at += answer.size;
  } while (answers.at(-1)?.verdict !== undefined);
  return answers.map((answer) => ({ answer, plan: bytes.subarray(at) }));
}

function readAll(fd: number): Buffer {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  const length = readSync(fd, bytes, 0, bytes.length, 0);
  closeSync(fd);
  return bytes.subarray(0, length);
}
