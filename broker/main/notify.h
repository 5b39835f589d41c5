/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the service manager that started the process how far it is, as sd_notify(3) describes: to
 * the socket that NOTIFY_SOCKET names. Without one nothing happens. Main thread. */
#ifndef TERCET_BROKER_MAIN_NOTIFY_H
#define TERCET_BROKER_MAIN_NOTIFY_H

/* Every listener accepts. */
void notify_ready(void);
/* The broker ends. */
void notify_stopping(void);

#endif
