// Events (events.k8s.io/v1 or core) about an object, counted into one when they repeat.
import type { KubeObject } from '#api/object.ts'

export interface EventRecorder {
  /** Never throws and never waits: a lost event must not stop an actor. */
  event(
    about: KubeObject,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    options?: { action?: string; related?: KubeObject; fieldPath?: string },
  ): void
}
