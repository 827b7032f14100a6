/*
 * What leaves a program for a terminal or a journal, at one place: terminal_guard() puts itself before
 * standard output and standard error, and whatever is printed passes through base/visible.h. A gate
 * (`terminal`) holds that every program calls it first and that nobody writes around it. Not for:
 * newlines in text from elsewhere, which only whoever prints it can tell from his own.
 */
#ifndef EVENKEEL_PLATFORM_TERMINAL_H
#define EVENKEEL_PLATFORM_TERMINAL_H

/* As the first thing of a program, before anything is printed and any thread runs. */
void terminal_guard(void);
/* Wipes the screen of a terminal, for what is printed next. */
void terminal_clear(void);

#endif
