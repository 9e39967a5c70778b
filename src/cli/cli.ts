/**
 * argv to exit status, in two stages: global options up to the command, then the command's own. Everything that is
 * thrown ends here, as a report and a status (docs/errors.md).
 */

import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { takeQuestion } from '../cache/question.js';
import { cacheDirectory } from '../cache/store.js';
import { TsrunError, UsageError } from '../errors.js';
import { readActivation } from '../runtime/activation.js';
import { openHandover } from '../runtime/handover.js';
import { chooseRootless } from '../runtime/rootless.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Tracer } from '../runtime/trace.js';
import { describeSystemError } from '../util/errno.js';
import { quote } from '../util/quote.js';
import { didYouMean } from '../util/suggest.js';
import { inUserNamespace } from '../util/user-namespace.js';
import { parseOptions } from './argv.js';
import type { Command } from './command.js';
import { findCommand, GROUPS, NAMES, splitCommand } from './commands.js';
import { type Log, openLog, parseFormat } from './log.js';
import { GLOBAL_OPTIONS, HELP_OPTION, type Values } from './options.js';
import { print } from './output.js';
import { reportOf, warningFields } from './report.js';
import { checkRoot, resolveRoot } from './root.js';

type GlobalValues = Values<typeof GLOBAL_OPTIONS>;
type Environment = { readonly [name: string]: string | undefined };

const FAILURE = 1;

function cwd(): string {
  try {
    return process.cwd();
  } catch (error) {
    throw new TsrunError('IO', `the current directory: ${describeSystemError(error)}`, { cause: error });
  }
}

const absolute = (path: string) => (path.startsWith('/') ? resolve(path) : resolve(cwd(), path));

/** Node replaces what is not UTF-8 in argv; a container must not be started with other arguments than were given. */
function checkEncoding(argv: readonly string[]): void {
  if (!argv.some((arg) => arg.includes('\ufffd'))) return;
  if (!isUtf8(readFileSync('/proc/self/cmdline'))) throw new UsageError('the arguments are not valid UTF-8');
}

/** The launcher says what `ulimit -Sn` was before Node started. */
function readOpenFiles({ TSRUN_NOFILE: text }: Environment): number | undefined {
  if (text === undefined || text === 'unlimited') return undefined;
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new UsageError(`TSRUN_NOFILE: ${quote(text, 64)} is not a number of open files`, 'TSRUN_NOFILE');
}

function checkGlobals({ rootless = 'auto', criu }: GlobalValues): void {
  if (criu !== undefined) {
    throw new UsageError('--criu: the program is taken from PATH, as in runc since 1.4', '--criu', 'put criu on PATH');
  }
  if (rootless !== 'true' && rootless !== 'false' && rootless !== 'auto')
    throw new UsageError(`--rootless: ${quote(rootless, 64)} is none of 'true', 'false', 'auto'`, '--rootless');
  chooseRootless(rootless);
}

function unknownCommand(name: string, help: boolean): UsageError {
  const hint = didYouMean(name, NAMES);
  const message = help ? `No help topic for '${quote(name, 64).slice(1, -1)}'` : `unknown command ${quote(name, 64)}`;
  return new UsageError(message, undefined, hint);
}

/** runc's words, with our name. */
function checkCount({ name, args: [min, max] }: Command, count: number): void {
  const how = min === max ? 'exactly' : count < min ? 'a minimum of' : 'a maximum of';
  const wanted = count < min ? min : max;
  if (count < min || count > max) throw new UsageError(`"${name}" requires ${how} ${wanted} argument(s)`);
}

/** commandArgs: how many arguments follow the name of the command. */
function ownArgv({ name }: Command, commandArgs: number, root: string): readonly string[] {
  const [script = '', ...args] = process.argv.slice(1);
  const options = args.slice(0, args.length - commandArgs - name.split(' ').length).filter((arg) => arg !== '--');
  return [process.execPath, ...process.execArgv, script, ...options, '--root', root];
}

async function help(topic: string | undefined): Promise<number> {
  const { printHelp } = await import('./commands/help.js');
  return printHelp(topic);
}

async function runCommand(
  command: Command,
  argv: readonly string[],
  globals: GlobalValues,
  env: Environment,
  log: Log,
): Promise<number> {
  const { values, rest } = parseOptions(argv, command.options, command.programArgs ? 'first' : 'anywhere');
  if (values['help'] === true) return help(command.name);
  checkCount(command, rest.length);
  if (command.userNamespace === true) await (await import('./user-namespace.js')).enterUserNamespace(env);
  const euid = process.geteuid?.() ?? 0;
  const who = { xdgRuntimeDir: env['XDG_RUNTIME_DIR'], user: env['USER'], inUserNamespace };
  const root = resolveRoot({ given: globals.root, cwd, euid, ...who });
  checkRoot(root, euid);
  log.debug(`${command.name}: root ${root}`);
  const warn: Runtime['warn'] = (message, cause) => log.warning(message, warningFields(cause));
  const cache = cacheDirectory(env);
  const tracer = await startTrace(values['trace'], command.name, warn);
  const invocation = {
    options: values,
    args: rest,
    runtime: {
      root,
      openFiles: readOpenFiles(env),
      self: () => ownArgv(command, argv.length, root),
      activation: () => readActivation(env, process.pid),
      handover: openHandover(env),
      cache,
      question: () => takeQuestion(env['TSRUN_QUESTION'], cache),
      rehearsal: env['TSRUN_BUILD_CACHE'] === '1',
      warn,
      debug: log.debug,
      tracer,
    },
    environment: env,
    globals: { rootGiven: globals.root !== undefined, systemdCgroup: globals['systemd-cgroup'] },
    absolute,
  };
  try {
    return await command.run(invocation);
  } finally {
    tracer?.finish(); // of a failure too: it shows how far it came
  }
}

async function startTrace(path: unknown, command: string, warn: Runtime['warn']): Promise<Tracer | undefined> {
  if (typeof path !== 'string') return undefined;
  const { openTracer } = await import('../runtime/trace.js');
  return openTracer(absolute(path), command, warn);
}

/** Runs step; what it throws is reported and becomes the status. */
async function reported(log: Log, command: Command | undefined, step: () => Promise<number>): Promise<number> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof Error && error.stack !== undefined) log.debug(error.stack);
    const { usageLine } = await import('./help.js');
    log.error(reportOf(error, command?.name, usageLine(command)));
    return command?.failureStatus ?? FAILURE;
  }
}

async function dispatch(globals: GlobalValues, rest: readonly string[], env: Environment, log: Log): Promise<number> {
  const [name, argv] = splitCommand(rest);
  if (globals.version) {
    const { versionText } = await import('./commands/version.js');
    print(await versionText());
    return 0;
  }
  if (globals.help || (name !== undefined && GROUPS.includes(name))) return help(name);
  if (name === undefined) throw new UsageError('a command is missing', undefined, '"tsrun --help" lists them');
  const command = await findCommand(name === 'h' ? 'help' : name);
  if (command === undefined) throw unknownCommand(name, asksForHelp(argv));
  return reported(log, command, () => runCommand(command, argv, globals, env, log));
}

function asksForHelp(argv: readonly string[]): boolean {
  try {
    return parseOptions(argv, HELP_OPTION).values.help;
  } catch {
    return false;
  }
}

/** For what goes wrong before the options are read: an unknown flag is an error that a program wants to read too. */
function guessErrorFormat(argv: readonly string[]): 'text' | 'json' {
  const at = argv.findIndex((arg) => /^--?error-format(=json)?$/.test(arg));
  return argv[at]?.endsWith('=json') === true || (at >= 0 && argv[at + 1] === 'json') ? 'json' : 'text';
}

/** The exit status. argv without node and script. */
export async function runCli(argv: readonly string[], env: Environment): Promise<number> {
  const plainLog = openLog({ path: undefined, format: 'text', errorFormat: guessErrorFormat(argv), debug: false });
  return reported(plainLog, undefined, async () => {
    checkEncoding(argv);
    const { values, rest } = parseOptions(argv, GLOBAL_OPTIONS);
    checkGlobals(values);
    const path = values.log === undefined ? undefined : absolute(values.log);
    const log = openLog({
      path,
      format: parseFormat(values['log-format'], '--log-format'),
      errorFormat: parseFormat(values['error-format'], '--error-format'),
      debug: values.debug,
    });
    return reported(log, undefined, () => dispatch(values, rest, env, log));
  });
}
