/**
 * What a command is: data for the help printer and the parser, and a function that calls the use case. Each file of
 * commands/ holds one.
 *
 * Pure: types and one identity function.
 */
import type { Runtime } from '../runtime/runtime.js';
import type { OptionTable, Values } from './options.js';

export interface Invocation<T extends OptionTable> {
  readonly options: Values<T>;
  readonly args: readonly string[];
  readonly runtime: Runtime;
  readonly globals: Globals;
  /** What bin/tsrun lets through. */
  readonly environment: { readonly [name: string]: string | undefined };
  /** The caller's directory made a path of the command line absolute. */
  readonly absolute: (path: string) => string;
}

export interface Globals {
  /** Whether --root was given. */
  readonly rootGiven: boolean;
  readonly systemdCgroup: boolean;
}

export interface Command<T extends OptionTable = OptionTable> {
  /** One word, or two for a command of a group: "image pull". */
  readonly name: string;
  readonly summary: string;
  /** What follows the options on the usage line. */
  readonly usage: string;
  /** Paragraphs for --help. */
  readonly description: readonly string[];
  readonly examples?: readonly string[];
  /** Least and most number of arguments. */
  readonly args: readonly [min: number, max: number];
  /** The arguments end with another program's command line: options after the first argument are not ours. */
  readonly programArgs?: true;
  /** Works on trees of files with owners: without root it runs in a user namespace (user-namespace.ts). */
  readonly userNamespace?: true;
  readonly options: T;
  /** Exit status of the command's own failures; 1 if not given. */
  readonly failureStatus?: number;
  /** The exit status. Use cases are imported inside, so that a command loads only what it needs. */
  run(invocation: Invocation<T>): Promise<number>;
}

export function defineCommand<T extends OptionTable>(command: Command<T>): Command<T> {
  return command;
}
