// Whether a cron schedule is well formed. The one parser says so, in upstream's words; when it is due is the controller's question.
import { parseCronSchedule } from '#lib/cron-schedule.ts'

/** Message of what is wrong; undefined when nothing is. */
export function cronScheduleMessage(schedule: string): string | undefined {
  try {
    parseCronSchedule(schedule)
    return undefined
  } catch (error) {
    if (error instanceof RangeError) return error.message
    throw error
  }
}
