/** POST start, stop, restart, kill, pause, unpause, wait, resize, and DELETE of /containers/{id}. */
import type { Actors } from '../container/actors.js';
import type { Container, WaitCondition, WaitResult } from '../container/container.js';
import { resizeTerminal } from '../container/monitor-client.js';
import { remove } from '../container/remove.js';
import { start } from '../container/start.js';
import { kill, pause, restart, signalOf, stop, unpause } from '../container/stop.js';
import { badRequest, conflict } from '../http/api-error.js';
import { type ApiRequest, empty, type Reply, type Route, stream } from '../http/route.js';

export interface LifecycleDeps {
  readonly actors: Pick<Actors, 'find'>;
  readonly containers: {
    /** text: "NAME/ALIAS". Throws ApiError 404, 409. */
    unlink(text: string): Promise<void>;
  };
}

const SIGKILL = 9;
const MOST_SECONDS = 2 ** 31;
/** Of a terminal: struct winsize has 16 bits. */
const MOST_CELLS = 65535;
const CONDITIONS: readonly WaitCondition[] = ['not-running', 'next-exit', 'removed'];

type Act = (container: Container, request: ApiRequest) => Promise<Reply>;

export function lifecycleRoutes({ actors, containers }: LifecycleDeps): readonly Route[] {
  const post = (verb: string, act: Act): Route => ({
    method: 'POST',
    path: `/containers/{id}/${verb}`,
    handle: async (request) => act(actors.find(request.param('id')), request),
  });
  return [
    post('start', async (container, request) => {
      await refuseBody(request);
      return empty((await start(container)) ? 204 : 304);
    }),
    post('stop', async (container, request) => empty((await stop(container, stopRequest(request))) ? 204 : 304)),
    post('restart', async (container, request) => done(restart(container, stopRequest(request)))),
    post('kill', async (container, request) => done(kill(container, signalOf(request.query('signal'), SIGKILL)))),
    post('pause', async (container) => done(pause(container))),
    post('unpause', async (container) => done(unpause(container))),
    post('wait', async (container, request) => wait(container, request)),
    post('resize', async (container, request) => {
      const { rows, columns } = sizeOf(request);
      if (!container.isRunning) throw conflict(`container ${container.id} is not running`);
      // Clients resize what has no terminal, too: dockerd lets it be.
      if (container.record.config.Tty === true) await resizeTerminal(container.monitorDirectory, rows, columns);
      container.happened('resize', { height: String(rows), width: String(columns) });
      return empty(200);
    }),
    {
      method: 'DELETE',
      path: '/containers/{id}',
      handle: async (request) => {
        if (request.flag('link')) return done(containers.unlink(request.param('id')));
        const container = actors.find(request.param('id'));
        return done(remove(container, { force: request.flag('force'), volumes: request.flag('v') }));
      },
    },
  ];
}

const done = async (action: Promise<void>): Promise<Reply> => {
  await action;
  return empty(204);
};

/** Before API 1.24 start took a HostConfig. */
/** Clients send "{}" or "null". */
const MOST_BODY = 7;

async function refuseBody({ headers, stream }: ApiRequest): Promise<void> {
  let length = Number(headers['content-length'] ?? 0);
  if (headers['transfer-encoding'] !== undefined)
    for await (const chunk of stream) {
      length += chunk.length;
      if (length > MOST_BODY) break;
    }
  if (length > MOST_BODY)
    throw badRequest(
      'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
    );
}

function stopRequest(request: ApiRequest) {
  const signal = request.query('signal');
  return {
    signal: signal === undefined || signal === '' ? undefined : signalOf(signal, 0),
    timeout: request.number('t', -MOST_SECONDS, MOST_SECONDS),
  };
}

/** Rows and columns of a request that resizes a terminal. Throws ApiError 400. */
export function sizeOf(request: ApiRequest): { rows: number; columns: number } {
  const rows = request.number('h', 0, MOST_CELLS);
  const columns = request.number('w', 0, MOST_CELLS);
  if (rows === undefined || columns === undefined) throw badRequest('invalid resize: height h and width w are needed');
  return { rows, columns };
}

/** The head is sent at once: clients start the container when they have it. */
function wait(container: Container, request: ApiRequest): Reply {
  const asked = request.query('condition') ?? '';
  const condition = asked === '' ? 'not-running' : CONDITIONS.find((one) => one === asked);
  if (condition === undefined) throw badRequest(`invalid condition: "${asked}"`);
  const result = container.wait(condition, request.signal);
  return stream(200, { 'Content-Type': 'application/json' }, answerOf(result));
}

async function* answerOf(result: Promise<WaitResult>): AsyncGenerator<string> {
  const { exitCode, error } = await result;
  const body = error === undefined ? { StatusCode: exitCode } : { StatusCode: exitCode, Error: { Message: error } };
  yield `${JSON.stringify(body)}\n`;
}
