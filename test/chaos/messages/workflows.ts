export { deliverMessages } from '../../../src/kit/workflow/index.js';
