#include <cstdio>

int main() {
    std::puts(M365STAGE_VERSION);
}
