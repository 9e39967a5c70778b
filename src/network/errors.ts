/** Why a network could not be made, changed or used. Pure. */
import { type ErrorDetails, TsrunError } from '../errors.js';

export type NetworkErrorCode =
  | 'NETWORK_INVALID'
  | 'NETWORK_NOT_FOUND'
  | 'NETWORK_CONFLICT'
  | 'NETWORK_FORBIDDEN'
  | 'NETWORK_FAILED';

export class NetworkError extends TsrunError {
  declare readonly code: NetworkErrorCode;

  constructor(code: NetworkErrorCode, message: string, details: ErrorDetails = {}) {
    super(code, message, details);
  }
}
