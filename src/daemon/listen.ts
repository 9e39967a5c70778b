/**
 * The sockets of the daemon: Unix sockets for root and one group, TCP with TLS for clients that our CA has signed, and those
 * that systemd has made (sd_listen_fds(3)).
 */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { TsrunError, UsageError } from '../errors.js';
import type { Activation } from '../runtime/activation.js';
import { describeSystemError } from '../util/errno.js';
import { readHostFile } from '../util/file.js';
import { quote } from '../util/quote.js';
import type { DaemonConfig } from './config/config.js';
import type { Host } from './config/host.js';
import type { HttpService, Listener } from './http/server.js';
import type { Log } from './log.js';

/** Of those that systemd hands over. */
export const FIRST_FD = 3;
const SOCKET_MODE = 0o660;
const MAX_PEM = 4 * 1024 * 1024;
const LOCAL: Listener = { tls: undefined, names: undefined };

export interface ListenRequest {
  readonly config: DaemonConfig;
  readonly activation: Activation;
  readonly log: Log;
}

/** All that --host names. Throws UsageError, TsrunError IO. */
export async function listen(http: HttpService, { config, activation, log }: ListenRequest): Promise<void> {
  const tls = config.tls === undefined ? undefined : tlsListener(config.tls);
  const gid = config.rootless && config.group === undefined ? 0 : groupId(config.group, log);
  for (const host of config.hosts) {
    if (host.kind === 'unix') await listenUnix(http.server(LOCAL), host.path, gid);
    else if (host.kind === 'tcp') await listenTcp(http, host, tls);
    else for (const fd of descriptors(host, activation)) await listenFd(http, fd, tls);
    log.info(`API listens on ${describe(host)}`);
  }
}

const describe = (host: Host): string =>
  host.kind === 'unix'
    ? `unix://${host.path}`
    : host.kind === 'tcp'
      ? `tcp://${host.host}:${host.port}`
      : 'what systemd handed over';

async function listenUnix(server: Server, path: string, gid: number): Promise<void> {
  const refuse = (error: unknown) =>
    new TsrunError('IO', `--host: ${quote(path)}: ${describeSystemError(error)}`, { cause: error });
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    await removeStale(path);
    // Nobody may connect before the socket has its owner.
    const before = process.umask(0o177);
    try {
      server.listen(path);
    } finally {
      process.umask(before);
    }
    await once(server, 'listening');
    chownSync(path, 0, gid);
    chmodSync(path, SOCKET_MODE);
  } catch (error) {
    throw error instanceof TsrunError ? error : refuse(error);
  }
}

/** What a killed daemon left is removed; what somebody listens on, or what is no socket, is not. */
async function removeStale(path: string): Promise<void> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new UsageError(`--host: ${quote(path)} is there and no socket`, '--host');
  const probe = connect(path);
  const answered = await once(probe, 'connect').then(
    () => true,
    () => false,
  );
  probe.destroy();
  if (answered) {
    throw new UsageError(
      `--host: another daemon answers on ${quote(path)}`,
      '--host',
      'stop that one, or listen elsewhere',
    );
  }
  rmSync(path);
}

async function listenTcp(
  http: HttpService,
  { host, port }: Extract<Host, { kind: 'tcp' }>,
  tls: Listener | undefined,
): Promise<void> {
  if (tls === undefined) throw new Error('the configuration lets no TCP without TLS through');
  const server = http.server(tls);
  server.listen(port, host);
  await once(server, 'listening').catch((error: unknown) => {
    throw new TsrunError('IO', `--host: ${host}:${port}: ${describeSystemError(error)}`, { cause: error });
  });
}

function descriptors({ name }: Extract<Host, { kind: 'fd' }>, { listenFds, listenNames }: Activation): number[] {
  const names = listenNames?.split(':') ?? [];
  const all = Array.from({ length: listenFds }, (_, index) => FIRST_FD + index);
  const found = all.filter((fd) => name === undefined || names[fd - FIRST_FD] === name || String(fd) === name);
  if (found.length > 0) return found;
  throw new UsageError(
    name === undefined
      ? '--host: fd:// without a socket of systemd'
      : `--host: no socket of systemd is called ${quote(name)}`,
    '--host',
    'LISTEN_FDS names none: is there a socket unit?',
  );
}

/** What systemd listens on may be a port: the same rule as for ours. */
async function listenFd(http: HttpService, fd: number, tls: Listener | undefined): Promise<void> {
  const server = http.server(LOCAL);
  server.listen({ fd });
  await once(server, 'listening');
  if (typeof server.address() === 'string' || server.address() === null) return;
  server.close();
  if (tls === undefined)
    throw new UsageError(`--host: descriptor ${fd} is a TCP socket, which needs --tlsverify`, '--host');
  const secure = http.server(tls);
  secure.listen({ fd });
  await once(secure, 'listening');
}

function tlsListener({
  ca,
  cert,
  key,
}: {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}): Listener {
  const read = (path: string, flag: string) => readHostFile(path, flag, { max: MAX_PEM });
  const certificate = read(cert, '--tlscert');
  const names = new X509Certificate(certificate);
  return {
    tls: { ca: read(ca, '--tlscacert'), cert: certificate, key: read(key, '--tlskey') },
    names: (host) => names.checkHost(host) !== undefined,
  };
}

/** Of group(5); root's for --group without a value of this name, and where there is no group docker. */
function groupId(name: string | undefined, log: Log): number {
  const wanted = name ?? 'docker';
  if (/^\d{1,10}$/.test(wanted)) return Number(wanted);
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((row) => row.startsWith(`${wanted}:`));
  const gid = Number(line?.split(':')[2]);
  if (line !== undefined && Number.isInteger(gid)) return gid;
  if (name !== undefined)
    throw new UsageError(`--group: there is no group ${quote(name)}`, '--group', 'groupadd makes one');
  log.warn('there is no group docker: only root can use the Unix socket');
  return 0;
}
