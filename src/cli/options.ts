/**
 * Options as data: one table per command, read by the parser (argv.ts) and the help printer (help.ts).
 *
 * Pure.
 */
interface Described {
  readonly help: string;
  /** One letter. */
  readonly short?: string;
  /** Accepted, but not shown by --help. */
  readonly hidden?: boolean;
}

export interface FlagOption extends Described {
  readonly kind: 'flag';
}

export interface TextOption extends Described {
  readonly kind: 'text';
  /** Shown by --help only. */
  readonly shownDefault?: string;
  /** An empty value means the same as leaving the option out; otherwise it is refused. */
  readonly mayBeEmpty?: boolean;
  /** An empty value is one like others. */
  readonly keepsEmpty?: boolean;
}

export interface ListOption extends Described {
  readonly kind: 'list';
}

/** A number from 0 on. */
export interface CountOption extends Described {
  readonly kind: 'count';
}

export type Option = FlagOption | TextOption | ListOption | CountOption;
export type OptionTable = { readonly [name: string]: Option };

interface ValueOf {
  readonly flag: boolean;
  readonly text: string | undefined;
  readonly list: readonly string[];
  readonly count: number;
}

export type Values<T extends OptionTable> = { readonly [N in keyof T]: ValueOf[T[N]['kind']] };

const HELP = { kind: 'flag', short: 'h', help: 'show help' } as const;

export const GLOBAL_OPTIONS = {
  debug: { kind: 'flag', help: 'log what is done, step by step' },
  log: { kind: 'text', help: 'write log lines to this file (errors are shown on stderr as well)' },
  'log-format': { kind: 'text', help: "format of log lines: 'text' or 'json'", shownDefault: 'text' },
  'error-format': {
    kind: 'text',
    help: "format of errors on stderr: 'text' or 'json', an object with code, message, path, hint …",
    shownDefault: 'text',
  },
  root: { kind: 'text', help: 'directory for the state of containers, best on a tmpfs', shownDefault: '/run/tsrun' },
  'systemd-cgroup': { kind: 'flag', help: 'let systemd make the cgroup; linux.cgroupsPath is slice:prefix:name then' },
  rootless: {
    kind: 'text',
    help: "whether a container may go without a cgroup where none can be made: 'true', 'false' or 'auto' (without root)",
    shownDefault: 'auto',
  },
  criu: { kind: 'text', hidden: true, help: 'refused: criu is taken from PATH' },
  help: HELP,
  version: { kind: 'flag', short: 'v', help: 'print the version' },
} as const satisfies OptionTable;

export const HELP_OPTION = { help: HELP } as const satisfies OptionTable;

export const TRACE_OPTION = {
  trace: { kind: 'text', help: 'write a timeline of what is done to this file (opens in ui.perfetto.dev)' },
} as const satisfies OptionTable;

/** Options shared by create and run. */
export const CREATE_OPTIONS = {
  bundle: { kind: 'text', short: 'b', help: 'directory of config.json', shownDefault: 'the current directory' },
  'console-socket': { kind: 'text', help: "AF_UNIX socket that receives the master of the container's terminal" },
  'pid-file': { kind: 'text', help: "file to write the container's pid to" },
  'pidfd-socket': { kind: 'text', help: "AF_UNIX socket that receives a pidfd of the container's first process" },
  'exit-file': {
    kind: 'text',
    help: 'file to write as JSON how the container ended; detached, a small monitor process stays to do it',
  },
  'no-pivot': { kind: 'flag', help: 'move the root file system instead of pivot_root, for hosts on a ramdisk' },
  'no-new-keyring': { kind: 'flag', help: "keep the caller's session keyring" },
  'preserve-fds': { kind: 'count', help: 'hand N descriptors from 3 on to the container' },
} as const satisfies OptionTable;
