/** A question that the plan cache had no answer to, as the launcher hands it over: csrc/launcher/question.h. */
import { closeSync, fstatSync, readSync } from 'node:fs';

/** What the launcher asked, and the file that its answer belongs in. */
export interface Question {
  readonly text: Buffer;
  readonly directory: string;
  readonly name: string;
}

/** "FD NAME", of TSRUN_QUESTION. undefined for anything else. */
export function takeQuestion(text: string | undefined, directory: string | undefined): Question | undefined {
  const [, number = '', name = ''] = /^(\d{1,9}) ([0-9a-f-]+)$/.exec(text ?? '') ?? [];
  if (number === '' || directory === undefined) return undefined;
  const fd = Number(number);
  try {
    const bytes = Buffer.alloc(fstatSync(fd).size);
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    return { text: bytes.subarray(0, length), directory, name };
  } finally {
    closeSync(fd);
  }
}
