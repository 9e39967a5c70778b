/**
 * `tsrun daemon`: from its options to its end. A bundle of its own (scripts/build.mjs), so that other commands do not load
 * it; what is thrown here is of another copy of errors.ts than the command line's, so a failure leaves as plain data.
 */
import { rmSync } from 'node:fs';
import { TsrunError, UsageError } from '../errors.js';
import { readActivation } from '../runtime/activation.js';
import { replaceFile } from '../util/replace-file.js';
import { VERSION } from '../util/version.js';
import { type ConfigRequest, type DaemonConfig, readConfig, readReload } from './config/config.js';
import { RELOADED } from './config/options.js';
import { PLACES_OF_ROOT, placesOfUser } from './config/places.js';
import { openDaemon } from './daemon.js';
import { createHttp } from './http/server.js';
import { FIRST_FD, listen } from './listen.js';
import { type Log, type LogSettings, openLog } from './log.js';
import { letGo, namespacesRecord } from './rootless/namespaces.js';
import { serviceManager } from './service-manager.js';
import { makeRoot } from './store/lock.js';

export interface DaemonRequest extends Omit<ConfigRequest, 'places'> {
  readonly environment: { readonly [name: string]: string | undefined };
  /**
   * Becomes root of the user namespace that the process of the record `hold` keeps, with the descriptors `keep`: this
   * program begins again there. Returns when it is root already. Throws TsrunError HOST_UNSUPPORTED.
   */
  enter(entrance: { readonly hold: string; readonly keep: readonly number[] }): Promise<void>;
}

type Asked = DaemonRequest & ConfigRequest;

export interface DaemonFailure {
  readonly code: TsrunError['code'];
  readonly message: string;
  readonly flag: string | undefined;
  readonly hint: string | undefined;
}

/** Returns when the daemon has ended: undefined where it was told to. */
export async function runDaemon(request: DaemonRequest): Promise<DaemonFailure | undefined> {
  const places = request.rootless ? placesOfUser(request.environment) : PLACES_OF_ROOT;
  const asked: Asked = { ...request, places };
  try {
    const config = readConfig(asked);
    if (request.flags.validate !== true) await run({ ...config }, asked);
    return undefined;
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    const { code, message, hint } = error;
    return { code, message, hint, flag: error instanceof UsageError ? error.flag : undefined };
  }
}

/** config: changed by a reload, for all that have it. */
async function run(config: DaemonConfig, request: Asked): Promise<void> {
  const { environment } = request;
  if (config.rootless) await enterNamespaces(config.execRoot, request);
  const settings: LogSettings = { level: config.logLevel, format: config.logFormat };
  const log = openLog(settings);
  const activation = readActivation(environment, process.pid);
  log.info(`tsrun ${VERSION} begins`, { dataRoot: config.dataRoot, execRoot: config.execRoot });
  const manager = serviceManager(activation.notifySocket, log);
  const daemon = await openDaemon(config, log, environment).catch((error: unknown) => {
    // Where there was a holder before, containers may run in its namespaces.
    if (config.rootless && environment['TSRUN_HOLDER'] === 'made') letGo(config.execRoot);
    throw error;
  });
  const http = createHttp({
    routes: daemon.routes,
    log,
    ...(daemon.metrics === undefined ? {} : { observe: daemon.metrics.observe }),
  });
  // One that nobody foresaw is a bug, but no reason to take every container's daemon away.
  process.on('unhandledRejection', (reason) => {
    // The database has a promise of its own beside those of its callers.
    if (reason instanceof Error && 'commitError' in reason) return;
    log.error('a promise failed that nobody waited for: a bug', reason);
  });
  try {
    await listen(http, { config, activation, log });
    if (config.pidFile !== undefined) replaceFile(config.pidFile, Buffer.from(`${process.pid}\n`), 0o644);
    const reload = () => {
      manager.reloading();
      if (reloaded(config, settings, request, log)) daemon.reloaded();
      manager.ready();
    };
    process.on('SIGHUP', reload);
    log.info(`ready`);
    manager.ready();
    log.info(`${await endSignal()} received: the daemon ends`);
    manager.stopping();
  } finally {
    await http.close();
    if (config.pidFile !== undefined) rmSync(config.pidFile, { force: true });
    await within(config.shutdownSeconds, daemon.close(), log);
  }
}

/** Returns in them: see DaemonRequest. */
async function enterNamespaces(execRoot: string, { environment, enter }: Asked): Promise<void> {
  makeRoot(execRoot, '--exec-root', 0o700);
  const { listenFds } = readActivation(environment, process.pid);
  await enter({ hold: namespacesRecord(execRoot), keep: Array.from({ length: listenFds }, (_, at) => FIRST_FD + at) });
}

/** False: the file is wrong, and all stays as it was. */
function reloaded(config: DaemonConfig, settings: LogSettings, request: Asked, log: Log): boolean {
  try {
    const changed = readReload(request);
    Object.assign(config, changed);
    settings.level = changed.logLevel;
    log.info(`SIGHUP received: read anew: ${RELOADED.join(', ')}`);
    return true;
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    log.error(`SIGHUP received: nothing is changed: ${error.message}`);
    return false;
  }
}

/** A second signal ends the daemon at once. */
function endSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const end = (signal: NodeJS.Signals) => {
      process.off('SIGTERM', end).off('SIGINT', end);
      resolve(signal);
    };
    process.on('SIGTERM', end).on('SIGINT', end);
  });
}

async function within(seconds: number, action: Promise<void>, log: Log): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      log.warn(`the end took longer than --shutdown-timeout, ${seconds} s: given up`);
      resolve();
    }, seconds * 1000);
  });
  await Promise.race([action, timeout]);
  clearTimeout(timer);
}
