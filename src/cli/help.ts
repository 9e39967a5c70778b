/**
 * Help texts in the layout of runc (urfave/cli), which tests of engines look at: "NAME:" is the first line.
 *
 * Pure.
 */
import type { CodeEntry } from '../util/error-codes.gen.js';
import type { Command } from './command.js';
import { GLOBAL_OPTIONS, type Option, type OptionTable } from './options.js';

const INDENT = '   ';
const GAP = 2;

function columns(rows: readonly (readonly [left: string, right: string])[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + GAP;
  return rows.map(([left, right]) => `${INDENT}${left.padEnd(width)}${right}`.trimEnd());
}

function optionNames(name: string, option: Option): string {
  const value = option.kind === 'flag' ? '' : ' value';
  return option.short === undefined ? `--${name}${value}` : `--${name}${value}, -${option.short}${value}`;
}

function optionHelp(option: Option): string {
  const shown = option.kind === 'text' ? option.shownDefault : undefined;
  return shown === undefined ? option.help : `${option.help} (default: ${shown})`;
}

function optionLines(table: OptionTable): string[] {
  const shown = Object.entries(table).filter(([, option]) => option.hidden !== true);
  return columns(shown.map(([name, option]) => [optionNames(name, option), optionHelp(option)]));
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${title}:\n${lines.join('\n')}\n`;
}

const indented = (lines: readonly string[]) => lines.map((line) => INDENT + line);

export function usageLine(command: Command | undefined): string {
  if (command === undefined) return 'tsrun [global options] command [command options] [arguments...]';
  return `tsrun ${command.name} [command options] ${command.usage}`.trimEnd();
}

export function commandHelp(command: Command): string {
  return [
    section('NAME', indented([`tsrun ${command.name} - ${command.summary}`])),
    section('USAGE', indented([usageLine(command)])),
    section('DESCRIPTION', indented(command.description)),
    section('EXAMPLES', indented(command.examples ?? [])),
    section('OPTIONS', optionLines(command.options)),
  ]
    .filter((text) => text !== '')
    .join('\n');
}

/** Commands of two words with the same first one. */
export function groupHelp(group: string, commands: readonly Command[]): string {
  return [
    section('NAME', indented([`tsrun ${group}`])),
    section('USAGE', indented([`tsrun ${group} command [command options] [arguments...]`])),
    section('COMMANDS', columns(commands.map(({ name, summary }) => [name.slice(group.length + 1), summary]))),
  ].join('\n');
}

/** Texts of the catalogue are markdown of one paragraph. */
export function codeHelp(entry: CodeEntry, group: string): string {
  const where = entry.fields === undefined ? '' : ` (${entry.fields})`;
  return [
    section('CODE', indented([`${entry.code} - ${group}${where}`])),
    section('CAUSE', indented([entry.meaning + (entry.warning ? '; a warning' : '')])),
    section('EXAMPLE', indented(entry.example === undefined ? [] : [entry.example])),
    section('REMEDY', indented([entry.remedy])),
  ]
    .filter((text) => text !== '')
    .join('\n');
}

const ABOUT = [
  'tsrun runs containers from OCI bundles: a directory with a config.json and a root file system. Its commands and',
  "options are runc's, so that containerd, Podman and Docker can use it as their runtime.",
];

export function globalHelp(commands: readonly Command[], version: string): string {
  return [
    section('NAME', indented(['tsrun - Open Container Initiative runtime'])),
    section('USAGE', indented([usageLine(undefined)])),
    section('DESCRIPTION', indented(ABOUT)),
    section('VERSION', indented(version.trimEnd().split('\n'))),
    section('COMMANDS', columns(commands.map(({ name, summary }) => [name, summary]))),
    section('GLOBAL OPTIONS', optionLines(GLOBAL_OPTIONS)),
  ].join('\n');
}
