/**
 * The words of the suite: a requirement is a sentence of the specification in our words; a case shows whether a runtime
 * keeps it. There are three kinds of case: an observation asks the probe inside a container, and many of them share one; a
 * refusal is a configuration that must be an error; a script drives the operations itself.
 *
 * Pure: types, and the check functions' only way to fail.
 */
export type Level = 'MUST' | 'MUST NOT' | 'SHOULD' | 'SHOULD NOT' | 'MAY';

export interface Requirement {
  readonly id: string;
  /** Document and anchor of the runtime specification: "config.md#process". */
  readonly section: string;
  readonly level: Level;
  readonly text: string;
  /** Why no case shows it. A requirement has this or a case. */
  readonly uncovered?: string;
}

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
export type Answer = { readonly [name: string]: Json | undefined };

/** JSON pointer to value: "/mounts/-" appends, undefined removes. {dir}, {bundle}, {rootfs} and {id} in texts are filled in. */
export type Patch = { readonly [pointer: string]: unknown };

/** What a case needs of the host, by name (host.ts); it is skipped where that is not there. */
export type Need = string;

interface CaseBase {
  /** Dotted, unique: "process.cwd". */
  readonly id: string;
  /** The id of the requirement that this case shows. */
  readonly requirement: string;
  readonly needs?: readonly Need[];
}

export interface Place {
  /** The directory of this container: bundle, output, and whatever a case puts there. */
  readonly dir: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly id: string;
}

export interface Seen extends Place {
  /** The answers to the case's own questions, in order. */
  readonly answers: readonly Answer[];
  readonly answer: Answer;
  /** The first process as the host sees it; it may have ended. */
  readonly pid: number;
}

export interface Observation extends CaseBase {
  readonly patch?: Patch;
  /** Actions of the probe: probe/probe.c. */
  readonly ask: string | readonly string[];
  /** The first answer has these members... */
  readonly want?: Answer;
  /** ... and this does not throw. */
  readonly check?: (seen: Seen) => void;
}

export interface Refusal extends CaseBase {
  readonly patch: Patch;
  /** What is not looked at before delete may be refused as late as that. */
  readonly atDelete?: boolean;
}

export interface Group {
  readonly name: string;
  readonly needs?: readonly Need[];
  /** The configuration that the cases of this group have in common. */
  readonly patch?: Patch;
  /** Makes what the configuration refers to; what it returns undoes that, and may be awaited. */
  readonly prepare?: (place: Place) => Undo;
  readonly observations?: readonly Observation[];
  /** Each on its own. The group's configuration without a refusal's patch is one that must be accepted. */
  readonly refusals?: readonly Refusal[];
}

export type Undo = (() => unknown) | undefined;

export interface Script<L> extends CaseBase {
  readonly run: (lab: L) => Promise<void>;
}

/** A case did not hold: the text says what was seen. */
export class Unmet extends Error {}

/** The run cannot begin, or not go on: the text says what is missing and what to do. */
export class CannotRun extends Error {
  /** The exit status. */
  readonly status: number;

  constructor(message: string, status = 2) {
    super(message);
    this.status = status;
  }
}

/** The host cannot show this, which came out only on the way. */
export class Skipped extends Error {}

export interface Result {
  readonly id: string;
  readonly requirement: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  /** What was seen, or why it was skipped. */
  readonly detail: string;
}

/** Rows of a table of requirements of one document. */
export type Row = readonly [id: string, level: Level, anchor: string, text: string, uncovered?: string];

export function table(document: string, rows: readonly Row[]): Requirement[] {
  return rows.map(([id, level, anchor, text, uncovered]) => ({
    ...{ id, level, text, section: `${document}#${anchor}` },
    ...(uncovered === undefined ? {} : { uncovered }),
  }));
}
