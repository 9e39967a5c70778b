// A process that holds networks as the daemon does, without the daemon: requests and answers are lines of JSON. It keeps
// the records in a file, so that it can be killed and started again. Run by network-lab.ts.
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Networking, type NetworkingOptions, type NetworkState, openNetworking } from '../../src/network/index.js';

const [, , optionsText = '{}', stateFile = ''] = process.argv;

type Call = (networking: Networking, args: readonly [never, never]) => unknown;

const CALLS: { readonly [method: string]: Call } = {
  find: (networking, [name]) => networking.find(name),
  list: (networking) => networking.list(),
  create: (networking, [request]) => networking.create(request),
  remove: (networking, [name]) => networking.remove(name),
  prepare: (networking, [request]) => networking.prepare(request),
  release: (networking, [id]) => networking.release(id),
  connect: (networking, [id, endpoint]) => networking.connect(id, endpoint),
  disconnect: (networking, [id, network]) => networking.disconnect(id, network, async () => undefined),
  rename: (networking, [id, name]) => networking.rename(id, name),
  container: (networking, [id]) => networking.container(id),
};

function readState(): NetworkState {
  try {
    return JSON.parse(readFileSync(stateFile, 'utf8'));
  } catch {
    return { networks: [], containers: [] };
  }
}

function answer(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const options: NetworkingOptions = {
  ...JSON.parse(optionsText),
  log: (level, message) => process.stderr.write(`${level}: ${message}\n`),
};
try {
  const { networking, state } = await openNetworking(options, readState());
  const ids = new Set(state.containers.map(({ containerId }) => containerId));
  const keep = (): void => {
    const containers = [...ids].flatMap((id) => networking.container(id) ?? []);
    writeFileSync(stateFile, JSON.stringify({ networks: networking.list(), containers }));
  };
  keep();
  answer({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, method, args } = JSON.parse(line);
    const call = async (): Promise<void> => {
      try {
        if (method === 'prepare') ids.add(args[0].containerId);
        const value = await CALLS[method]?.(networking, args);
        keep();
        answer({ id, value: value ?? null });
      } catch (error) {
        const { code, message, hint } = error as Error & { code?: string; hint?: string };
        answer({ id, error: { code: code ?? 'BUG', message: code ? message : String((error as Error).stack), hint } });
      }
    };
    void call();
  }
  await networking.close();
} catch (error) {
  answer({ failed: String((error as Error).stack) });
  process.exitCode = 1;
}
