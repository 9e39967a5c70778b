/**
 * One conversation with `criu swrk`: a request, its notifications, the answer. Every wait is for another process, so
 * the calls may block.
 */
import { closeSync, writeSync } from 'node:fs';
import { addon } from '../native/addon.js';
import { decodeResponse, encodeRequest, REQUEST, type Request, type Response } from './messages.js';

export interface Notification {
  /** "setup-namespaces", "post-restore", "orphan-pts-master", …: CRIU's action scripts. */
  readonly script: string;
  /** Root task of the tree, 0 while it does not exist. */
  readonly pid: number;
  /** The descriptor that came with it: the master of a terminal. */
  readonly fd: number | null;
}

/** Throwing makes CRIU give up and undo what it did. */
export type OnNotify = (notification: Notification) => void;

/** undefined: CRIU ended without an answer. */
export function converse(socket: number, request: Request, onNotify: OnNotify): Response | undefined {
  writeSync(socket, encodeRequest(request));
  for (;;) {
    const { fd, bytes } = addon().receiveFd(socket);
    if (bytes.length === 0) return undefined;
    const response = decodeResponse(bytes);
    if (response.type !== REQUEST.NOTIFY) return response;
    answer(socket, response, fd, onNotify);
  }
}

function answer(socket: number, { notify }: Response, fd: number | null, onNotify: OnNotify): void {
  let success = false;
  try {
    onNotify({ script: notify?.script ?? '', pid: notify?.pid ?? 0, fd });
    success = true;
  } finally {
    if (!success && fd !== null) closeSync(fd);
    writeSync(socket, encodeRequest({ type: REQUEST.NOTIFY, success }));
  }
}
