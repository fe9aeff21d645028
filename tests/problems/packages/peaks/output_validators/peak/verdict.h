#pragma once
enum Verdict { ACCEPTED = 42, WRONG = 43 };
