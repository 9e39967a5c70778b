/**
 * The plan: what a verb of the executor will do, as data. The compiler makes it, encode.ts turns it into the
 * bytes the executor maps, print.ts into text for people.
 *
 * Pure.
 */
import type { ListName, Op } from './op.gen.js';

export interface Plan {
  /** The OCI state as JSON text with slots (id, pid, status, created): what hooks read and `state` prints. */
  readonly stateJson: string;
  readonly lists: { readonly [list in ListName]: readonly Op[] };
  /** Of a plain `exec ID COMMAND`, which the launcher carries out without compiling: the command is that of its caller. */
  readonly exec?: ExecLists | undefined;
}

/** What exec runs of the lists, in their order. */
export const EXEC_LISTS = ['setup', 'spawn', 'settle', 'init'] as const;

export type ExecLists = Pick<Plan['lists'], (typeof EXEC_LISTS)[number]>;

export const NO_OPS: Plan['lists'] = { setup: [], spawn: [], settle: [], init: [], started: [], teardown: [] };
