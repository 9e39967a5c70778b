/**
 * Manual pages from the same tables as --help: tsrun.1 and one of each command. man(7).
 *
 * Pure.
 */
import type { Command } from './command.js';
import { usageLine } from './help.js';
import { GLOBAL_OPTIONS, type Option, type OptionTable } from './options.js';

export interface Page {
  readonly file: string;
  readonly text: string;
}

/** groff makes hyphens of "-", takes a leading "." or "'" for a request, and "\" for an escape. */
const roff = (text: string): string => text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^[.']/gm, '\\&$&');

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`.SH ${title}`, ...lines];

function option([name, { short, kind, help, ...rest }]: readonly [string, Option]): string[] {
  const value = kind === 'flag' ? '' : ' \\fIvalue\\fR';
  const names = [
    `\\fB${roff(`--${name}`)}\\fR${value}`,
    ...(short === undefined ? [] : [`\\fB\\-${short}\\fR${value}`]),
  ];
  const shown = 'shownDefault' in rest && rest.shownDefault !== undefined ? ` (default: ${rest.shownDefault})` : '';
  return ['.TP', names.join(', '), roff(help + shown)];
}

const options = (table: OptionTable): string[] =>
  Object.entries(table)
    .filter(([, { hidden }]) => hidden !== true)
    .flatMap(option);

function head(name: string, version: string): string {
  return `.TH ${name.toUpperCase().replaceAll('-', '\\-')} 1 "" "tsrun ${roff(version)}" "User Commands"`;
}

const page = (name: string, lines: readonly string[]): Page => ({ file: `${name}.1`, text: `${lines.join('\n')}\n` });

/** Lines that stay as they are. */
const verbatim = (lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['.nf', ...lines.map((line) => roff(line)), '.fi'];

const pageName = ({ name }: Command): string => `tsrun-${name.replaceAll(' ', '-')}`;

function commandPage(command: Command, version: string): Page {
  const name = pageName(command);
  const status = command.failureStatus ?? 1;
  const mentioned = command.description.join(' ').includes('exit status');
  return page(name, [
    head(name, version),
    ...section('NAME', [`${roff(name)} \\- ${roff(command.summary)}`]),
    ...section('SYNOPSIS', [roff(usageLine(command))]),
    ...section('DESCRIPTION', command.description.map(roff)),
    ...section('OPTIONS', options(command.options)),
    ...section('EXIT STATUS', [
      mentioned ? roff('See the description.') : `0 when it was done, ${status} when it failed.`,
      ...(mentioned ? [`Failures of tsrun itself: ${status}.`] : []),
    ]),
    ...section('EXAMPLES', verbatim(command.examples ?? [])),
    ...section('SEE ALSO', ['.BR tsrun (1)']),
  ]);
}

const ABOUT = [
  'tsrun runs containers from OCI bundles: a directory with a config.json and a root file system.',
  "Its commands and options are runc's, so that containerd, Podman and Docker can use it as their runtime.",
];

const FILES = [
  '.TP',
  '.I /run/tsrun',
  'The state of containers, unless \\fB\\-\\-root\\fR names another directory.',
  '.TP',
  '.I $XDG_RUNTIME_DIR/tsrun',
  'The same for a user without root.',
];

const ERRORS = [
  'Every error has a code, which \\fB\\-\\-error\\-format json\\fR shows;',
  '\\fBtsrun help\\fR \\fICODE\\fR prints its cause and what to do.',
];

function mainPage(commands: readonly Command[], version: string): Page {
  const list = commands.flatMap((command) => ['.TP', `.BR ${roff(pageName(command))} (1)`, roff(command.summary)]);
  return page('tsrun', [
    head('tsrun', version),
    ...section('NAME', ['tsrun \\- Open Container Initiative runtime']),
    ...section('SYNOPSIS', [roff(usageLine(undefined))]),
    ...section('DESCRIPTION', ABOUT.map(roff)),
    ...section('COMMANDS', list),
    ...section('OPTIONS', options(GLOBAL_OPTIONS)),
    ...section('DIAGNOSTICS', ERRORS),
    ...section('FILES', FILES),
  ]);
}

export function manPages(commands: readonly Command[], version: string): Page[] {
  return [mainPage(commands, version), ...commands.map((command) => commandPage(command, version))];
}
