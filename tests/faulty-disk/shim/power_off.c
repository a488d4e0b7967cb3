/* power_off DIRECTORY...: cuts the power of the ext4 file systems mounted there, as far as they can tell: what
 * is in the page cache is never written, and the file system's own journal is not flushed. Root only. From then
 * on every access fails; unmounting and mounting again shows what was durable.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define NO_LOG_FLUSH 2

int main(int count, char **names) {
    int directories[16], failed = 0;
    if (count < 2 || count > 16) return 2;
    for (int n = 1; n < count; n++) directories[n] = open(names[n], O_RDONLY | O_DIRECTORY);
    /* All open before the first goes, so that they go as nearly at once as can be. */
    for (int n = 1; n < count; n++) {
        uint32_t how = NO_LOG_FLUSH;
        if (directories[n] < 0 || ioctl(directories[n], EXT4_IOC_SHUTDOWN, &how)) {
            perror(names[n]);
            failed = 1;
        }
    }
    return failed;
}
