/** How OpenCTI is asked, and what is told to it. */
import { z } from 'zod'
import { platformShape } from './client/platform-settings.ts'

export const Settings = z.strictObject({ ...platformShape })
export type Settings = z.output<typeof Settings>
