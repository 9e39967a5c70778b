/** A mutant: a wrapper around a good runtime that breaks one behaviour. Pure types. */
import type { Config } from '../harness/config.js';

export type Operation = 'create' | 'start' | 'state' | 'kill' | 'delete' | 'features';

export interface Mutant {
  readonly name: string;
  /** The requirement that a case must find broken. */
  readonly breaks: string;
  /** What is run: ids of cases contain one of these. */
  readonly cases: readonly string[];
  /** What create reads instead of config.json. */
  readonly config?: (config: Config) => void;
  /** The JSON that an operation prints. */
  readonly output?: { readonly [operation in Operation]?: (document: { [name: string]: unknown }) => void };
  /** The arguments that the runtime is called with; undefined if it is not called at all, and all is well. */
  readonly args?: (operation: string, args: readonly string[]) => readonly string[] | undefined;
  /** Operations whose failures are not told. */
  readonly swallows?: readonly Operation[];
  /** What is called, with the container's id, after an operation that succeeded. */
  readonly afterwards?: { readonly [operation in Operation]?: Operation };
  /** Opens a descriptor that the runtime passes on. */
  readonly leaks?: boolean;
}
