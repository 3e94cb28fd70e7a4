/** What is due when, on a clock that only moves to what is due next. */
export interface Appointment {
  readonly at: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Appointments by time; those of one instant in the order in which they were made. */
export class Agenda {
  #now: number;
  #appointments: Appointment[] = [];

  constructor(startAt: number) {
    this.#now = startAt;
  }

  get now(): number {
    return this.#now;
  }

  /** Plans something. What is past is due now. */
  plan(at: number, run: () => void): Appointment {
    const appointment: Appointment = { at: Math.max(at, this.#now), run, cancelled: false };
    const later = this.#appointments.findIndex((other) => other.at > appointment.at);
    this.#appointments.splice(later === -1 ? this.#appointments.length : later, 0, appointment);
    return appointment;
  }

  /** When the next thing is due; infinite: nothing is. */
  next(): number {
    while (this.#appointments[0]?.cancelled === true) this.#appointments.shift();
    return this.#appointments[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Does what is due next. */
  step(): void {
    this.moveTo(this.next());
    this.#appointments.shift()?.run();
  }

  /** Lets time pass. */
  moveTo(at: number): void {
    this.#now = Math.max(this.#now, at);
  }
}
