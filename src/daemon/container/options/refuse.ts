/** How the options of a container are refused: a 400 whose words dockerd's users and clients know. Pure. */
import { TsrunError } from '../../../errors.js';

export const refuse = (message: string): TsrunError => new TsrunError('REQUEST_INVALID', message);
