// A client of the Docker Engine API for tests: plain requests over a Unix socket, and bytes as they are.
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Undefined where the body is no JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as they please
  readonly json: any;
}

export interface CallOptions {
  readonly headers?: { readonly [name: string]: string };
  readonly body?: string | Uint8Array;
}

export function call(socketPath: string, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // What changes something has a connection of its own: it must not be sent twice.
    const agent = method === 'GET' ? undefined : false;
    const sent = request({ socketPath, method, path, agent, headers: options.headers ?? {} }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parse(text) });
      });
    });
    // A connection that is kept may be one of a daemon that has been killed since.
    sent.on('error', (error) =>
      sent.reusedSocket ? call(socketPath, method, path, options).then(resolve, reject) : reject(error),
    );
    sent.end(options.body);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** POST with a JSON body. */
export const post = (socket: string, path: string, body: unknown): Promise<Answer> =>
  call(socket, 'POST', path, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });

/** Sends bytes and returns all that comes until the server closes; the connection stays open on our side. */
export function exchange(socketPath: string, text: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const client = connect(socketPath);
    let seen = '';
    client.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1');
    });
    client.on('error', () => undefined);
    client.on('close', () => resolve(seen));
    client.setTimeout(5000, () => client.destroy());
    client.write(text);
  });
}
