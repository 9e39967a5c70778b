/** POST /containers/{id}/attach, GET /containers/{id}/attach/ws: the container's streams over the request's connection. */
import type { Duplex } from 'node:stream';
import type { Actors } from '../container/actors.js';
import type { Container } from '../container/container.js';
import { parseDetachKeys } from '../container/detach-keys.js';
import { logPlace } from '../container/log-config.js';
import { type AttachWish, attachMonitor } from '../container/monitor-client.js';
import { relay } from '../container/relay.js';
import { ApiError, badRequest, conflict } from '../http/api-error.js';
import {
  type ApiRequest,
  hijack,
  MULTIPLEXED_STREAM,
  RAW_STREAM,
  type Reply,
  type Route,
  text,
  webSocket,
} from '../http/route.js';
import { formatLog } from '../logs/frames.js';
import { readLog } from '../logs/read.js';

export interface AttachDeps {
  readonly actors: Pick<Actors, 'find'>;
}

export function attachRoutes({ actors }: AttachDeps): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/containers/{id}/attach',
      handle: async (request) => attachOrSay(() => attach(actors.find(request.param('id')), request)),
    },
    {
      method: 'GET',
      path: '/containers/{id}/attach/ws',
      handle: async (request) => attachWebSocket(actors.find(request.param('id')), request),
    },
  ];
}

/** dockerd has taken the connection by then, and its refusals are lines of text. */
function attachOrSay(attach: () => Reply): Reply {
  try {
    return attach();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return text(error.status, `${error.message}\r\n`, { 'Content-Type': RAW_STREAM });
  }
}

/** The media type says whether there are frames, for clients that know to look. */
export const streamType = (terminal: boolean, request: ApiRequest): string =>
  !terminal && request.atLeast('1.42') ? MULTIPLEXED_STREAM : RAW_STREAM;

/** Throws ApiError 409. */
export function refuseAttach({ record, id }: Container): void {
  const { status } = record.state;
  if (status === 'paused') throw conflict(`Container ${id} is paused, unpause the container before attach`);
  if (status === 'restarting') throw conflict(`Container ${id} is restarting, wait until the container is running`);
  if (status === 'removing' || status === 'dead') throw conflict(`container ${id} is marked for removal`);
}

function attach(container: Container, request: ApiRequest): Reply {
  const terminal = container.record.config.Tty === true;
  const choice = (name: string) => request.flag(name);
  const session = sessionOf(container, request, choice);
  return hijack(streamType(terminal, request), (connection) =>
    attachTo(container, connection, session, request.signal),
  );
}

/** Never frames: stdout and stderr are one. Before 1.42 the three streams were not asked for, and all attached. */
function attachWebSocket(container: Container, request: ApiRequest): Reply {
  const choice = (name: string) => !request.atLeast('1.42') || request.flag(name);
  const { wish, ...session } = sessionOf(container, request, choice);
  const plain = { ...session, wish: { ...wish, framed: false } };
  return webSocket((connection) => attachTo(container, connection, plain, request.signal));
}

interface Session {
  readonly wish: AttachWish;
  readonly logs: boolean;
  readonly streamed: boolean;
  readonly detachKeys: Buffer;
}

/** choice: of the streams. Throws ApiError 400, 409. */
function sessionOf(container: Container, request: ApiRequest, choice: (name: string) => boolean): Session {
  const { config } = container.record;
  const terminal = config.Tty === true;
  const keys = parseDetachKeys(request.query('detachKeys'));
  refuseAttach(container);
  const [logs, streamed] = [request.flag('logs'), request.flag('stream')];
  if (!logs && !streamed) throw badRequest('attach needs "logs", "stream" or both');
  const stdin = choice('stdin') && config.OpenStdin === true;
  const wish = { stdin, stdout: choice('stdout'), stderr: choice('stderr'), framed: !terminal, hold: false };
  return { wish, logs, streamed, detachKeys: terminal ? keys : Buffer.alloc(0) };
}

async function attachTo(
  container: Container,
  connection: Duplex,
  { wish, logs, streamed, detachKeys }: Session,
  gone: AbortSignal,
): Promise<void> {
  container.happened('attach');
  if (logs) await writeLogs(container, connection, wish, gone);
  if (streamed) await connect(container, connection, wish, detachKeys);
}

/** Until the program ends, the client goes or detaches. Before the program runs: from its first byte on. */
export async function connect(
  container: Container,
  connection: Duplex,
  wish: AttachWish,
  detachKeys: Buffer,
): Promise<void> {
  const detached = () => container.happened('detach');
  if (container.isRunning) {
    const monitor = await attachMonitor(container.monitorDirectory, wish);
    return relay({ connection, monitor, input: wish.stdin, detachKeys, detached });
  }
  return container.attachments.add({ connection, wish, detachKeys, detached });
}

export async function writeLogs(container: Container, to: Duplex, wish: AttachWish, gone: AbortSignal): Promise<void> {
  const place = logPlace(container.record, container.needs.directory);
  if (place === undefined) return;
  const query = { tail: undefined, since: undefined, until: undefined, follow: false, over: gone, gone };
  const form = { ...wish, timestamps: false, details: false, attributes: {} };
  for await (const bytes of formatLog(readLog(place, query), form)) {
    if (!to.write(bytes)) await new Promise((resolve) => to.once('drain', resolve).once('close', resolve));
  }
}
